"""What code is asked for: records with fields, functions, routes, in which language.

It knows how requests name these things. It does not know how any language writes them down.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.models.offline.code.members import NOT_A_FIELD, Field, read_members
from agent.models.offline.code.naming import pascal, plural, singular, snake
from agent.models.offline.code.phrases import ANYTHING, Function, function_of, named_functions
from agent.models.offline.code.structures import structure_of
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.brief import read_brief
from agent.models.offline.reading.languages import (
    Technology,
    find_technology,
    find_unwritten,
)
from agent.models.offline.reading.orders import order
from agent.models.offline.reading.outline import outline, shorten
from agent.models.offline.reading.words import ELLIPSIS, clean, cut

_MOST_ENTITIES, _MOST_FUNCTIONS, _MOST_ROUTES = 6, 8, 16
_READ, _SUBJECT = 20_000, 70

_NAMES = r"(?P<names>(?:[^.!?\n]|\.(?=\d)){2,300})"
_HAVING = re.compile(
    r"(?<!\w)`?(?P<name>(?:(?:[Ll]inked|[Hh]ash) )?[A-Za-z]\w{1,30})`?"
    r"(?: (?P<what>model|class|struct|record|entity|object|table|type|dataclass))?"
    r"(?: in [A-Za-z+#]{1,12})?"
    r",? (?:(?:which |that |each )?(?:should|must|will|shall) (?:have|contain|hold"
    r"|include)|(?:which |that )?(?:has|have|contains|holds)"
    r"|having|with|consists? of|:)"
    r"(?: (?:the|these|following|an?|private|public)\b)*(?P<said>(?:"
    r" (?:fields?|attributes?|columns?|properties|members?)(?!,| and\b| or\b))*)(?: of)?[:,]?[ \n]*"
    + _NAMES,
)
_TABLES = re.compile(
    r"\b(?:(?:schema|database)\b[^.\n]{0,60}?\b(?:with|containing)(?: the)?(?: tables)?:?"
    r"|tables (?:for|named|called)|tables:?) " + _NAMES
)
_CLASS_FOR = re.compile(
    r"\b(?:[Cc]lass|[Ss]truct|[Rr]ecord|[Mm]odel|[Ee]ntity|[Ii]nterface) (?:called|named|for)"
    r"(?: (?:an?|the))? ([a-z]{3,20})(?=\s*(?:$|[.,;!?\n]|(?:with|in|that|which|using|having)\b))"
)
_NOTE = re.compile(r"\(([^()]{0,120})\)")
_NAMED_CLASS = re.compile(
    r"\b(?:[Cc]lass(?:es)?|[Ss]truct|[Mm]odel|[Ee]ntity|[Tt]able|[Rr]ecord"
    r"|[Ii]nterface)s?(?: (?:called|named|for(?: an?| the)?))?"
    r" `?(?P<names>[A-Z]\w{1,30}`?(?:(?:, | and |, and )`?[A-Z]\w{1,30}`?)*)"
)
_MODEL_OF = re.compile(
    r"\b(?P<names>[A-Z]\w{1,30}) (?:model|class|struct|entity|table|schema|dataclass)\b"
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
    unwritten: str = ""
    """A language that is asked for and that nothing but the name is known of."""


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
    functions = _beside(entities, functions)
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
        unwritten="" if find_technology(outline(request)).language else find_unwritten(source),
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
        return cls(_with_structure(_entities(text), text), named_functions(text), _routes(text))

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
    said = cut(request.partition("\n")[0], _SUBJECT).rstrip(f" .:;,-{ELLIPSIS}")
    return said or "the request"


def _distinct_functions(functions: Sequence[Function]) -> list[Function]:
    seen: dict[str, Function] = {}
    for function in functions:
        seen.setdefault(function.name, function)
    return list(seen.values())


def _routes(text: str) -> list[tuple[str, str]]:
    return list(dict.fromkeys((found[1], found[2].rstrip(".")) for found in _ROUTE.finditer(text)))


def _entities(text: str) -> list[Entity]:
    tables, text = _tables(text)
    found = {one.name: one for one in tables}
    for having in _HAVING.finditer(text):
        name = _entity_name(having["name"]) or _user(text[: having.start()][-40:], having)
        fields, methods = read_members(having["names"], name, are_fields=bool(having["said"]))
        count = len(fields) + len(methods)
        is_sure = bool(having["what"]) or having["name"][0].isupper() or count > 1
        known = found.get(name, Entity(name))
        if name and is_sure and count > len(known.fields) + len(known.methods):
            found[name] = Entity(name, fields, methods)
    for named in (*_NAMED_CLASS.finditer(text), *_MODEL_OF.finditer(text)):
        for word in re.findall(r"[A-Z]\w+", named["names"]):
            if name := _entity_name(word):
                found.setdefault(name, Entity(name))
    for named in _CLASS_FOR.finditer(text):
        name = pascal(singular(named[1]))
        if named[1] in {"user", "users"} or _entity_name(named[1]):
            found.setdefault(name, Entity(name))
    if not found and (of := _CRUD_OF.search(text)) and (name := _entity_name(of[1])):
        found[name] = Entity(name)
    return list(found.values())


def _user(before: str, having: re.Match[str]) -> str:
    """Return the name of a record of users; elsewhere `user` is who uses the program."""
    is_said = having["what"] or re.search(r"\b(?:class|table|model)s? (?:for an? )?$", before, re.I)
    return "User" if is_said and singular(having["name"].lower()) == "user" else ""


def _with_structure(entities: list[Entity], text: str) -> list[Entity]:
    """Add the data structure that a text asks for; the student's own list of methods wins."""
    if not (found := structure_of(text)):
        return entities
    words, name, methods = found
    own = [one for one in entities if one.name == name or one.name.lower() in words.split("-")[-1]]
    fields = tuple(field for one in own for field in one.fields)
    listed = tuple(method for one in own for method in one.methods)
    return [Entity(name, fields, listed or methods), *(one for one in entities if one not in own)]


def _tables(text: str) -> tuple[list[Entity], str]:
    """Return the tables that the plural nouns of a schema are, and the text without them."""
    for listing in _TABLES.finditer(text):
        notes = iter(_NOTE.findall(listing["names"]))
        tables = []
        for part in re.split(r",\s*(?:and\s+)?|\s+and\s+", _NOTE.sub("\0", listing["names"])):
            noun = re.match(
                r"\s*`?([A-Za-z_]{3,30})`?\s*(\0)?(?=\s*$|\s+(?:in|using|for|with)\b)", part
            )
            if not noun or singular(noun[1]) == noun[1]:
                break
            columns = next(notes, "") if noun[2] else ""
            name = pascal(singular(noun[1]))
            tables.append(Entity(name, read_members(columns, name, are_fields=True)[0]))
        if len(tables) > 1:
            return tables, f"{text[: listing.start()]}.{text[listing.end() :]}"
    return [], text


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
        return [Entity(pascal(singular(noun[1])), lone.fields, lone.methods)]
    return [lone]


def _beside(entities: Sequence[Entity], functions: Sequence[Function]) -> list[Function]:
    """Return the functions that no class has; beside one class, their operands are its records."""
    taken = {method.name for one in entities for method in one.methods}
    taken |= {name for one in entities for name in (snake(one.name), plural(snake(one.name)))}
    own = entities[0].name if len(entities) == 1 else ""

    def typed(function: Function) -> Function:
        given = tuple(
            (name, own if name in {*ANYTHING, snake(own)} else kind)
            for name, kind in function.parameters
        )
        return Function(function.name, given, function.result, function.says)

    return [typed(one) if own else one for one in functions if one.name not in taken]


def _with_fields(entities: Sequence[Entity], text: str) -> list[Entity]:
    """Give entities the fields that the assignment names for them."""
    known = {one.name: one for one in _entities(text) if one.fields}
    lone = next(iter(known.values())) if len(known) == 1 and len(entities) == 1 else None
    return [
        known.get(one.name) or (Entity(one.name, lone.fields, lone.methods) if lone else one)
        for one in entities
    ]


def _entity_name(word: str) -> str:
    low = word.lower()
    if low in _NOT_A_NAME or low in NOT_A_FIELD or not low.isascii():
        return ""
    return pascal(singular(word))
