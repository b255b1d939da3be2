"""Members of a record as a request lists them: fields with types, methods with parameters.

It knows how names, notes in brackets and verbs tell one from the other. It knows no language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.models.offline.code.naming import distinct, snake
from agent.models.offline.code.phrases import Function, function_named, parameters_of
from agent.models.offline.code.structures import USUAL
from agent.models.offline.reading.requirements import IMPERATIVES

FieldType = Literal["int", "float", "bool", "date", "str", "list"]
_MOST_FIELDS = 16
_LONGEST_NAME = 3

_NO_FIELDS = """
    crud validation tests test operations endpoints error errors handling following proper
    fastapi sqlalchemy flask django express python java javascript methods functions support
    comments documentation pytest docstrings a the
"""
NOT_A_FIELD = frozenset(_NO_FIELDS.split())
_METHODLIKE = re.compile(
    r"\(\)|\b(?:tostring|methods?|functions?|constructor|getters?|setters?|operations?)\b", re.I
)
_AFTER_NAME = re.compile(r"\s+(?:in|using|with|for|as|of|written|please)\s.*$", re.I)
_NOTE = re.compile(r"\(([^()]{0,80})\)")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|\u2013|to|\.\.)\s*(-?\d+(?:\.\d+)?)")
_TYPED = re.compile(
    r"^`?(?P<name>\w+)`?\s*[:=]\s*`?(?P<type>int\w*|str\w*|float|double|decimal|number"
    r"|bool\w*|date\w*|list|array)\b",
    re.I,
)
_BY_NAME: Sequence[tuple[FieldType, re.Pattern[str]]] = (
    (
        "bool",
        re.compile(
            r"^(?:is|has|can)_|^(?:active|enabled|done|completed?|available|paid|archived"
            r"|visible|admin)$"
        ),
    ),
    (
        "date",
        re.compile(
            r"(?:^|_)(?:date|deadline|due|birthday|birthdate|dob|timestamp|datetime)(?:$|_)"
            r"|_(?:at|on)$"
        ),
    ),
    ("list", re.compile(r"^(?:tags|items|comments|scores|grades|authors|categories|members)$")),
    (
        "float",
        re.compile(
            r"(?:^|_)(?:price|amount|total|cost|balance|rate|gpa|grade|score|weight|height"
            r"|salary|temperature|width|depth|radius|latitude|longitude|lat|lon|ratio|interest)$"
        ),
    ),
    (
        "int",
        re.compile(
            r"(?:^|_)(?:id|age|count|quantity|qty|number|year|size|level|rank|stock|pages"
            r"|points|capacity|minutes|seconds|votes|stars|rating)$|^(?:x|y|n|row|column)$"
        ),
    ),
)
_BY_WORD: Sequence[tuple[str, FieldType]] = (
    ("int", "int"),
    ("num", "float"),
    ("float", "float"),
    ("dec", "float"),
    ("double", "float"),
    ("bool", "bool"),
    ("date", "date"),
    ("list", "list"),
    ("array", "list"),
    ("str", "str"),
    ("text", "str"),
)
_NOT_NEGATIVE = re.compile(
    r"(?:^|_)(?:id|age|count|quantity|qty|price|cost|size|stock|pages|points|capacity"
    r"|weight|height|salary|grade|gpa|score|year)$"
)
_SWITCH = re.compile(
    r"^(?:(?:an?|the|these|following|private|public)\s+)*(?P<says>methods?|functions|operations|fields?|attributes?"
    r"|properties)\b:?\s*(?:(?:called|named|like|such as|to|for)\s+)?(?=\S)",
    re.I,
)
_CLOSING = re.compile(r"\s+(?:methods?|functions|operations)$", re.I)
_NO_VERBS = """
    model record report set list link limit log map group place plan plot post process program
    query sample scale schedule score store start stop style sum test track view watch work
    answer change check copy count figure filter document display design draw hash help support
    turn round measure move prompt use upload export import estimate output read open clean
    complete present handle label fit fix play pass allow access order pick process range
"""
_MORE_VERBS = """
    push pop peek deposit withdraw enqueue dequeue bark meow eat sleep speak fly swim drive brake
    accelerate honk append prepend contains transfer pay refund cancel borrow lend attack heal
"""
_VERBS = (IMPERATIVES - frozenset(_NO_VERBS.split())) | frozenset(_MORE_VERBS.split())
_ASKED_OF_IT = frozenset(
    ("size", "length", "top", "front", "back", "is_empty", "area", "balance_of")
)
_OF_A_FIELD = frozenset(("date", "time", "at", "by", "on", "in", "id", "count", "name", "type"))
_QUALIFIER = re.compile(r"\d|\b(?:primary|foreign|unique|required|optional|key|null|e\.g)\b", re.I)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    """In snake case."""
    type: FieldType = "str"
    least: float | None = None
    most: float | None = None
    """Bounds of a number, or of a text's length."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One name of a list; `kind` is empty where nothing but the name tells what it is."""

    name: str
    note: str
    kind: Literal["field", "method", ""]

    @property
    def is_verb(self) -> bool:
        """Say whether the name orders something."""
        words = snake(self.name).strip("_").split("_")
        is_order = words[0] in _VERBS or snake(self.name).strip("_") in USUAL
        return is_order and not (len(words) > 1 and words[-1] in _OF_A_FIELD)


def read_members(
    text: str, owner: str, *, are_fields: bool = False
) -> tuple[tuple[Field, ...], tuple[Function, ...]]:
    """Read a list of fields and methods up to the first thing that is neither."""
    parts, says_methods = _parts(text, "field" if are_fields else "")
    follows_verb = says_methods and not any(one.is_verb for one in parts if not one.kind)
    fields: list[Field] = []
    methods: dict[str, Function] = {}
    for one in parts:
        name = snake(one.name)
        follows_verb = follows_verb or one.is_verb
        is_asked = says_methods and (follows_verb or name in _ASKED_OF_IT)
        if one.kind == "method" or (not one.kind and (one.is_verb or is_asked)):
            given = parameters_of(one.note) or USUAL.get(name.strip("_"), ())
            methods.setdefault(name, function_named(name, given, f"{name} of the {owner}"))
        else:
            fields.append(_field(name, one.note))
    names = distinct(one.name for one in fields)
    typed = [
        Field(name, one.type, one.least, one.most) for name, one in zip(names, fields, strict=True)
    ]
    return tuple(typed[:_MOST_FIELDS]), tuple(methods.values())


def _parts(text: str, kind: Literal["field", "method", ""]) -> tuple[list[_Part], bool]:
    """Split a list into its names; also say whether it closes with the word methods."""
    parts: list[_Part] = []
    says_methods = False
    notes = [note[1] for note in _NOTE.finditer(text)]
    for part in re.split(r",\s*(?:and\s+|or\s+)?|;|\s+and\s+|\s+&\s+", _NOTE.sub("\0", text)):
        note = notes.pop(0) if "\0" in part and notes else ""
        own = kind
        if switch := _SWITCH.match(part.strip()):
            own = (
                "method"
                if switch["says"][0].lower() in "mo" or switch["says"] == "functions"
                else "field"
            )
            kind = own if switch["says"].endswith("s") else kind
        bare = part.strip()[switch.end() if switch else 0 :]
        typed = _TYPED.match(bare)
        name = (typed["name"] if typed else _AFTER_NAME.sub("", bare.partition("\0")[0])).strip(
            " `'\"*_-:"
        )
        name = re.sub(r"^(?:an?|the|its|their|optional|unique|also)\s+", "", name, flags=re.I)
        if closing := _CLOSING.search(name):
            says_methods, name = True, name[: closing.start()]
            own = "method"
        if _METHODLIKE.search(name):
            continue
        words = name.split()
        bad = not words or len(words) > _LONGEST_NAME or words[0].lower() in NOT_A_FIELD
        if bad or not re.fullmatch(r"[A-Za-z][\w ]*", name):
            break
        if not own and _is_call(bare, note, name):
            own = "method"
        parts.append(_Part(name, f"{typed['type'] if typed else ''} {note}", own))
    return parts, says_methods


def _is_call(part: str, note: str, name: str) -> bool:
    """Say whether brackets right behind a name hold parameters, not a type or a bound."""
    if not re.search(r"\w\0", part):
        return False
    is_typed = _QUALIFIER.search(note) or any(
        re.search(rf"\b{word}", note, re.I) for word, _ in _BY_WORD
    )
    return not is_typed or _Part(name, "", "").is_verb


def _field(name: str, note: str) -> Field:
    said = note.lower()
    by_word: FieldType | None = next(
        (kind for word, kind in _BY_WORD if re.search(rf"\b{word}", said)), None
    )
    names = (name, name.partition("_")[0])
    by_name: FieldType = next(
        (kind for one in names for kind, pattern in _BY_NAME if pattern.search(one)), "str"
    )
    if not by_word and re.search(r"\b(?:letters?|characters?|digits)\b", said):
        by_word = "str"
    kind: FieldType = by_word or by_name
    bounds = _RANGE.search(said)
    if bounds:
        least, most = sorted((float(bounds[1]), float(bounds[2])))
        numeric = kind in {"int", "float"} or not re.search(r"char|letter|long", said)
        if numeric and kind == "str":
            kind = "int"
        return Field(name, kind, least, most)
    return Field(
        name, kind, 0.0 if kind in {"int", "float"} and _NOT_NEGATIVE.search(name) else None
    )
