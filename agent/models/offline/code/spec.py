"""What code is asked for: records with fields, functions, routes, in which language.

It knows how requests name these things. It does not know how any language writes them down.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.models.offline.code.naming import distinct, pascal, singular, snake
from agent.models.offline.code.phrases import Function, function_of, named_functions, structures_of
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.brief import read_brief
from agent.models.offline.reading.languages import Technology, find_technology
from agent.models.offline.reading.orders import order
from agent.models.offline.reading.outline import outline, shorten
from agent.models.offline.reading.words import clean

FieldType = Literal["int", "float", "bool", "date", "str", "list"]
_MOST_FIELDS, _MOST_ENTITIES, _MOST_FUNCTIONS, _MOST_ROUTES = 16, 6, 8, 16
_LONGEST_FIELD = 3
_READ = 20_000

_NAMES = r"(?P<names>(?:[^.!?\n]|\.(?=\d)){2,300})"
_HAVING = re.compile(
    r"(?<!\w)`?(?P<name>[A-Za-z]\w{1,30})`?(?: (?P<what>model|class|struct|record|entity"
    r"|object|table|type|dataclass))?"
    r",? (?:(?:which |that |each )?(?:should|must|will|shall) (?:have|contain|hold"
    r"|include)|(?:which |that )?(?:has|have|contains|holds)"
    r"|having|with|consists? of|:)"
    r"(?: (?:the|these|following|an?))*(?: (?:fields?|attributes?|columns?|properties"
    r"|members?))*(?: of)?[:,]?[ \n]*" + _NAMES,
)
_NAMED_CLASS = re.compile(
    r"\b(?:[Cc]lass(?:es)?|[Ss]truct|[Mm]odel|[Ee]ntity|[Tt]able|[Rr]ecord"
    r"|[Ii]nterface)s?(?: (?:called|named|for(?: an?| the)?))?"
    r" `?(?P<names>[A-Z]\w{1,30}`?(?:(?:, | and |, and )`?[A-Z]\w{1,30}`?)*)"
)
_MODEL_OF = re.compile(
    r"\b(?P<name>[A-Z]\w{1,30}) (?:model|class|struct|entity|table|schema|dataclass)\b"
)
_CRUD = re.compile(r"\bcrud\b|\bcreate,? read,? update\b|\bendpoints? (?:for|to manage)\b", re.I)
_CRUD_OF = re.compile(
    r"\b(?:crud|endpoints?|api|management|manage)\b.{0,30}?\b(?:for|of|manage"
    r"|on)\s+(?:an?\s+|the\s+)?([A-Za-z]{3,20})",
    re.I,
)
_ROUTE = re.compile(
    r"\b(GET|POST|PUT|PATCH|DELETE)\b[`\s]+(?:(?:endpoint|route|request)s?\s+)?(?:(?:at|to"
    r"|on|for)\s+)?`?(/[\w/{}:<>.-]{0,80})"
)
_TESTS = re.compile(r"\b(?:tests?|pytest|unit ?tests?|junit|jest|tdd)\b", re.I)
_NO_TESTS = re.compile(r"\b(?:no|without|skip)\s+(?:any\s+)?tests?\b", re.I)
_CLI = re.compile(r"\b(?:command[- ]line|cli|terminal|console|script|argparse|stdin)\b", re.I)
_NO_NAMES = """
    object map system integer result option vec box
    it they you we he she user users program app application code function each every which
    that there this these those one api rest file project class model script something
    anything answer question page work job create build write implement generate make code
    method tests starts together along work start list dictionary string array done deal
    dealing helps help
"""
_NOT_A_NAME = frozenset(_NO_NAMES.split())
_NO_FIELDS = """
    crud validation tests test operations endpoints error errors handling following proper
    fastapi sqlalchemy flask django express python java javascript methods functions support
    comments documentation pytest docstrings a the
"""
_NOT_A_FIELD = frozenset(_NO_FIELDS.split())
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
            r"|salary|temperature|latitude|longitude|lat|lon|ratio|interest)$"
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
class Entity:
    """A record and its fields."""

    name: str
    """In Pascal case, for one."""
    fields: tuple[Field, ...] = ()
    methods: tuple[Function, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """What is to be written."""

    subject: str
    technology: Technology
    entities: tuple[Entity, ...] = ()
    functions: tuple[Function, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    todo: tuple[str, ...] = field(default=())
    """The requirements, as orders."""
    wants_tests: bool = True
    is_program: bool = False
    is_storing: bool = False
    """Records are created, read, changed and deleted."""
    uses_sqlalchemy: bool = False


def read_spec(asked: Asked) -> Spec:
    """Read what a request asks to be written; the assignment fills in what it leaves open."""
    request = shorten(asked.request)[:_READ]
    assignment = asked.assignment[:_READ]
    own = _Things.of(request)
    phrase = function_of(request) if own.is_empty else None
    given = _Things.of(assignment) if own.is_empty and phrase is None else own
    source = request if given is own else f"{request}\n\n{assignment}"
    todo = _todo(asked.assignment if given is not own else request)
    functions = [phrase] if phrase else given.functions
    if given.is_empty and not functions:
        functions = [one for one in map(function_of, todo[:_MOST_FUNCTIONS]) if one]
    entities = _completed(given.entities, functions, given.routes, source)
    if len(entities) == 1 and entities[0].methods:
        functions = []
    if entities and not any(one.fields or one.methods for one in entities):
        entities = _with_fields(entities, assignment)
    technology = _technology(request, source, assignment)
    languages = {technology.language, technology.framework, "rust", "python", "java"}
    return Spec(
        subject=read_brief(assignment).subject if given is not own else _subject(request),
        technology=technology,
        entities=tuple(one for one in entities if one.name.lower() not in languages)[
            :_MOST_ENTITIES
        ],
        functions=tuple(one for one in _distinct_functions(functions) if one.name not in languages)[
            :_MOST_FUNCTIONS
        ],
        routes=tuple(given.routes[:_MOST_ROUTES]),
        todo=todo if given is not own or len(todo) > 1 else (),
        wants_tests=not _NO_TESTS.search(request),
        is_program=bool(_CLI.search(request)),
        is_storing=bool(entities) and bool(given.routes or _CRUD.search(source)),
        uses_sqlalchemy="sqlalchemy" in source.lower(),
    )


@dataclass(frozen=True, slots=True)
class _Things:
    """What a text names: records, functions, routes."""

    entities: list[Entity]
    functions: list[Function]
    routes: list[tuple[str, str]]

    @classmethod
    def of(cls, text: str) -> "_Things":
        """Read a text."""
        structures = [Entity(name, (), methods) for name, methods in structures_of(text)]
        return cls([*structures, *_entities(text)], named_functions(text), _routes(text))

    @property
    def is_empty(self) -> bool:
        """Say whether a text names nothing."""
        return not (self.entities or self.functions or self.routes)


def _todo(text: str) -> tuple[str, ...]:
    orders = [clean(order(one.text)) for one in read_brief(text).requirements]
    return tuple(orders)[: 2 * _MOST_FUNCTIONS]


def _technology(request: str, source: str, assignment: str) -> Technology:
    """Take the language from the request first; the framework only from what is written."""
    known = find_technology(outline(request))
    written = find_technology(outline(source))
    given = find_technology(outline(assignment))
    language = known.language or written.language or given.language
    return Technology(language, known.framework or written.framework, (*known.also, *written.also))


def _subject(request: str) -> str:
    return clean(request.partition("\n")[0])[:70].rstrip(" .:;,-") or "the request"


def _distinct_functions(functions: Sequence[Function]) -> list[Function]:
    seen: dict[str, Function] = {}
    for function in functions:
        seen.setdefault(function.name, function)
    return list(seen.values())


def _routes(text: str) -> list[tuple[str, str]]:
    return list(dict.fromkeys((found[1], found[2].rstrip(".")) for found in _ROUTE.finditer(text)))


def _entities(text: str) -> list[Entity]:
    found: dict[str, Entity] = {}
    for having in _HAVING.finditer(text):
        name = _entity_name(having["name"])
        fields = _fields(having["names"])
        is_sure = bool(having["what"]) or having["name"][0].isupper() or len(fields) > 1
        if name and fields and is_sure:
            known = found.get(name)
            found[name] = (
                known if known and len(known.fields) >= len(fields) else Entity(name, tuple(fields))
            )
    for named in _NAMED_CLASS.finditer(text):
        for name in re.findall(r"[A-Z]\w+", named["names"]):
            if _entity_name(name):
                found.setdefault(_entity_name(name), Entity(_entity_name(name)))
    for named in _MODEL_OF.finditer(text):
        if name := _entity_name(named["name"]):
            found.setdefault(name, Entity(name))
    if not found and (of := _CRUD_OF.search(text)) and (name := _entity_name(of[1])):
        found[name] = Entity(name)
    return list(found.values())


def _completed(
    entities: Sequence[Entity],
    functions: Sequence[Function],
    routes: Sequence[tuple[str, str]],
    text: str,
) -> list[Entity]:
    """Give a lone class the methods beside it, and a `Record` the name that its routes use."""
    if len(entities) != 1:
        return list(entities)
    lone = entities[0]
    if re.search(r"\bdef \w+\(\s*self\b", text) and not lone.fields:
        return [Entity(lone.name, (), tuple(functions))]
    noun = re.match(r"/([A-Za-z]{3,20})", routes[0][1]) if routes else None
    if noun and lone.name in {"Record", "Item", "Entry", "Object"}:
        return [Entity(pascal(singular(noun[1])), lone.fields)]
    return [lone]


def _with_fields(entities: Sequence[Entity], text: str) -> list[Entity]:
    """Give entities the fields that the assignment names for them."""
    known = {one.name: one for one in _entities(text) if one.fields}
    lone = next(iter(known.values())) if len(known) == 1 and len(entities) == 1 else None
    return [
        known.get(one.name) or (Entity(one.name, lone.fields) if lone else one) for one in entities
    ]


def _entity_name(word: str) -> str:
    low = word.lower()
    if low in _NOT_A_NAME or low in _NOT_A_FIELD or not low.isascii():
        return ""
    return pascal(singular(word))


def _fields(text: str) -> list[Field]:
    """Read a list of field names up to the first thing that is none."""
    fields: list[Field] = []
    notes = [note[1] for note in _NOTE.finditer(text)]
    marked = _NOTE.sub("\0", text)
    for part in re.split(r",\s*(?:and\s+|or\s+)?|;|\s+and\s+|\s+&\s+", marked):
        note = notes.pop(0) if "\0" in part and notes else ""
        typed = _TYPED.match(part.strip())
        bare = _AFTER_NAME.sub("", part.partition("\0")[0])
        name = (typed["name"] if typed else bare).strip(" `'\"*_-:")
        name = re.sub(r"^(?:an?|the|its|their|optional|unique|also)\s+", "", name, flags=re.I)
        words = name.split()
        if _METHODLIKE.search(name):
            continue
        bad = not words or len(words) > _LONGEST_FIELD or words[0].lower() in _NOT_A_FIELD
        if bad or not re.fullmatch(r"[A-Za-z][\w ]*", name):
            break
        fields.append(_field(snake(name), f"{typed['type'] if typed else ''} {note}"))
    names = distinct(one.name for one in fields)
    return [
        Field(name, one.type, one.least, one.most) for name, one in zip(names, fields, strict=True)
    ][:_MOST_FIELDS]


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
