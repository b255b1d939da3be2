"""A brief, read: subject, requirements, what to hand in, technology, deadline, what it touches on.

It knows what a text says. It does not know past assignments, and it makes no plan.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from agent.models.offline.reading.dates import is_time_only
from agent.models.offline.reading.deadline import find_deadline
from agent.models.offline.reading.exclusions import without_exclusions
from agent.models.offline.reading.ideas import read_idea
from agent.models.offline.reading.languages import Technology, find_technology
from agent.models.offline.reading.outline import Item, front_title, outline, shorten
from agent.models.offline.reading.requirements import (
    Requirement,
    find_requirements,
    is_handing_in,
    is_skipped,
    rubric_criteria,
)
from agent.models.offline.reading.topics import topics_of
from agent.models.offline.reading.words import clean, cut, plain, sentences, terms

Complexity = Literal["low", "medium", "high"]
NO_SUBJECT = "the assignment"
"""What a brief is called that does not say what it is about."""
_SUBJECT = 44
_DELIVERABLE = 90
_MOST_NAMES = 12

_GENERIC_TITLE = re.compile(
    r"^\W*(?:untitled.*|instructions?|descriptions?|set-?\s?up|setup|introduction|overview"
    r"|brief|assignment|grading.*|marking.*|rubric|deadlines?|due dates?|submission|late policy"
    r"|task|goals?|home|readme|user stories|requirements|\[.*\]|here is .*|.*[{;(]|)\W*$",
    re.I,
)
_POLICY = re.compile(
    r"\W*(?:grading|marking|rubric|deadlines?|due date|submission|late policy)\b", re.I
)
_ORDER = re.compile(
    r"^\s*(?:(?:hi|hello|hey|please|pls|can you|could you|i need to|i want to|i have to"
    r"|help me(?: to)?|let's)[, ]+){0,3}"
    r"(?:(?:make|create|give|write|draft|prepare|generate|need)\s+(?:me\s+)?(?:an?"
    r"|the)?\s*(?:\w+\s+)?"
    r"(?:plan|schedule|roadmap|outline)\s+(?:for|to|of)\s+"
    r"|(?:plan|outline|schedule|organi[sz]e|break down)(?:\s+out)?\s+)?"
    r"(?:(?:build(?:ing)?|writ(?:e|ing)|implement(?:ing)?|creat(?:e|ing)|mak(?:e|ing)"
    r"|develop(?:ing)?|design(?:ing)?|cod(?:e|ing))\s+)?"
    r"(?:(?:an?|the|my|our|this)\s+)?",
    re.I,
)
_NUMBERED = re.compile(r"(?:homework|assignment|lab|project|exercise|hw|week|ps)\s?\w{1,3}: ", re.I)
_PART = re.compile(r"\s[-\u2013]\s|: (?=[A-Z])|[.!?](?:\s|$)")
_TAIL = re.compile(
    r"\s+(?:(?:written\s+)?(?:in|using|with)\s+[A-Z+#\w.]{1,14}|by\s+.{1,30}"
    r"|until\s+.{1,30}|for me|please)\s*[.!?]*$",
    re.I,
)
_FILE = re.compile(
    r"(?<![\w/.:@-])((?:[\w-]{1,40}/){0,3}[\w-]{1,60}\.(?:py|js|ts|jsx|tsx|java|c|h|cpp"
    r"|hpp|rs|go|sql|r|R|Rmd|ipynb|html|css"
    r"|sh|kt|hs|rb|php|cs|csv|tsv|json|xml|txt|md|pdf|zip|db|sqlite|yml|yaml|toml|parquet"
    r"|xlsx|docx|png))(?![\w/])"
)
_FOLDER = re.compile(r"`((?:[\w.-]{1,40}/){1,3})`")
_CODE_NAME = re.compile(r"`([A-Za-z_][\w.]{1,40}(?:\([^`)]{0,60}\))?)`")
_CALLABLE = re.compile(r"\(|_|[a-z][A-Z]")
_HAND_IN = re.compile(
    r"\b(?:submi(?:t|ssion)\w*|hand(?:ed)?[- ]in|hand in|turn in|upload|deliver\w*|abgeben"
    r"|einreichen|entreg\w+)\b",
    re.I,
)
_SAYS_DELIVERABLES = re.compile(
    r"^(?:deliverables?|to (?:submit|hand in)|hand in|what to (?:submit|hand in)"
    r"|abgabe)\s?:\s*(\S.{3,400})$",
    re.I,
)
_HOLDS_BACK = re.compile(
    r"\b(?:do|must|should|may) ?n[o'\u2019]t (?:submit|hand|turn|upload)", re.I
)
_WHEN = re.compile(r"\s(?:by|before|until|till|no later than|due|bis|spätestens)\s", re.I)
_HAND_IN_OBJECT = re.compile(
    r"\b(?:submit|hand in|turn in|upload)\s+((?:a|an|the|all|both|two|one"
    r"|three)?\s*(?!your assignment|by\b|before\b|until\b|to\b|it\b|them\b|your work\b"
    r"|this\b|and\b|button|assignment)[^.;:!?()]{4,140})",
    re.I,
)
_OWN_NOTEBOOK = re.compile(r"Notebook\([\"']([\w-]{1,60}\.ipynb)[\"']\)")
_DATA = re.compile(r"\.(?:csv|tsv|json|parquet|xlsx|db|sqlite|xml)$")
_HAS_DATA = re.compile(
    r"\b(?:data ?sets?|data ?frames?|pandas|csv|exploratory|eda|clean(?:ing)? the data"
    r"|training (?:set|data))\b",
    re.I,
)
_WEB_WORDS = frozenset(
    (
        "button",
        "click",
        "page",
        "web",
        "browser",
        "dom",
        "css",
        "html",
        "input",
        "box",
        "panel",
        "frontend",
        "website",
    )
)
_TERMINAL = re.compile(r"\b(?:command[- ]line|terminal|console|text-based|stdin)\b", re.I)
_USER_ACTS = re.compile(
    r"(?:the )?user (?:can|should|will|must)(?: be able to)? (?:see|click|press|drag|view"
    r"|type|enter|select)\b",
    re.I,
)
_WRITING = re.compile(
    r"\W*(?:research|compare|contrast|explain|describe|discuss|search|investigate"
    r"|summari[sz]e|reflect"
    r"|write an? (?:essay|report|summary))\b",
    re.I,
)
_TEXT_KIND = re.compile(
    r"\b(?:essay|thesis|dissertation|term paper|research paper|literature review|book report"
    r"|speech|book review|reflection|presentation)\b",
    re.I,
)
_BUILDING = re.compile(
    r"\b(?:implement\w*|code|coding|program\w*|functions?|build|class(?:es)?|app"
    r"|application|script|api|develop\w*|software|deploy\w*"
    r"|algorithm\w*|notebooks?|calculat\w*|configur\w*|user can|given an?|return)\b",
    re.I,
)
_TESTS = re.compile(
    r"\b(?:unit ?tests?|test (?:suite|cases?|coverage)|(?:write|include|add|provide|with"
    r"|and|run|autograder) tests?|tests?/"
    r"|py ?test|junit|jest|is tested|must be tested|tests? (?:pass|must|for)|test_\w+"
    r"|automated tests?|testing)\b|\btests?\b\s*\d{1,3}\s?%",
    re.I,
)
_DOCS = re.compile(
    r"\b(?:read ?me|documentation|document(?:ed)? (?:your|the|each|how)|docstrings?|report"
    r"|write[- ]?up|user guide|manual|explain"
    r"|describe|usage text|in your own words|justify|essay)\b",
    re.I,
)
_GIT = re.compile(
    r"\b(?:git|git(?:hub|lab) (?:repo\w*|classroom|pages)|repository|commit (?:history"
    r"|messages?|often|your)|pull request|push(?:ed)? to)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Brief:
    """What a brief says, read once."""

    subject: str
    """What it is about, short enough to stand in a sentence."""
    requirements: tuple[Requirement, ...]
    deliverables: tuple[str, ...]
    technology: Technology
    deadline: str | None
    complexity: Complexity
    topics: tuple[str, ...]
    names: tuple[str, ...]
    """Functions, classes and columns it names."""
    files: tuple[str, ...]
    data_files: tuple[str, ...]
    criteria: tuple[str, ...]
    """What its rubric asks for at best."""
    words: frozenset[str]
    testing: bool
    documentation: bool
    git: bool
    is_web: bool
    is_writing: bool
    """It asks for research and words, not for a program."""
    has_starter: bool
    is_notebook: bool
    is_short: bool
    is_idea: bool
    """It is a one-line wish for a plan, not a text that was handed out."""


def read_brief(text: str, *, title: str = "", today: date | None = None) -> Brief:
    """Read a brief."""
    body = shorten(text)
    items = outline(body)
    prose = "\n".join(item.text for item in items if item.kind != "code" and not is_skipped(item))
    wanted = without_exclusions(prose)
    idea = read_idea(text)
    requirements = [Requirement(part) for part in idea.parts] if idea else find_requirements(items)
    technology = find_technology(
        [*(item for item in items if not is_skipped(item)), Item("paragraph", title)]
    )
    topics = topics_of(wanted)
    words = terms(prose)
    files = _files(items)
    deliverables = _deliverables(items, files)
    is_writing = _asks_for_words(text if idea else "", technology, requirements)
    is_web = _looks_like_web(wanted, requirements)
    return Brief(
        subject=(idea.subject or NO_SUBJECT) if idea else _subject(title, body, items),
        requirements=tuple(requirements),
        deliverables=deliverables,
        technology=technology,
        deadline=find_deadline(f"{text}\n\n{title}", today),
        complexity=_complexity(requirements, topics, len(words)),
        topics=topics,
        names=_names(items),
        files=files,
        data_files=tuple(name for name in files if _DATA.search(name)),
        criteria=tuple(rubric_criteria(items)),
        words=frozenset(words),
        testing=bool(_TESTS.search(wanted)),
        documentation=is_writing or bool(_DOCS.search(wanted)),
        git=bool(_GIT.search(wanted)),
        is_web=is_web,
        is_writing=is_writing,
        is_notebook=any(name.endswith(".ipynb") for name in (*files, *deliverables)),
        has_starter=bool(re.search(r"\b(?:starter|skeleton|provided) code\b", prose, re.I)),
        is_idea=idea is not None,
        is_short=len(words) < _SHORT_WORDS and len(requirements) <= _FEW,
    )


def _asks_for_words(wish: str, technology: Technology, requirements: Sequence[Requirement]) -> bool:
    """Say whether a brief, or a one-line wish, asks for a text and not for a program."""
    if any(_BUILDING.search(one.text) for one in requirements):
        return False
    if _TEXT_KIND.search(wish) and not technology.language and not _BUILDING.search(wish):
        return True
    return any(_WRITING.match(one.text) for one in requirements)


def _looks_like_web(prose: str, requirements: Sequence[Requirement]) -> bool:
    """Say whether a brief describes a page: by its words, or by what its user sees and clicks."""
    if _TERMINAL.search(prose):
        return False
    shown = sum(bool(_USER_ACTS.match(one.text)) for one in requirements)
    return shown > 1 or len(_WEB_WORDS.intersection(re.findall(r"[a-z]+", prose.lower()))) > 1


_SHORT_WORDS = 60
_FEW = 3
_SIZES = (4, 8, 13)
"""From so many requirements on, a brief gets harder by a step each."""
_LONG_WORDS = 400


def needs_data(brief: Brief) -> bool:
    """Say whether data has to be loaded and looked at before anything else."""
    return "data" in brief.topics or bool(
        [name for name in brief.data_files if not name.endswith((".json", ".xml"))]
    )


def _complexity(
    requirements: Sequence[Requirement], topics: Sequence[str], words: int
) -> Complexity:
    core = [requirement for requirement in requirements if not requirement.is_bonus]
    hard = {
        "authentication",
        "concurrency",
        "machine learning",
        "real time",
        "database",
        "web API",
        "external API",
    }
    points = (
        sum(len(core) >= size for size in _SIZES)
        + min(2, len(hard.intersection(topics)))
        + (words > _LONG_WORDS)
    )
    return "low" if points <= 1 else "medium" if points <= _FEW else "high"


def _subject(title: str, body: str, items: Sequence[Item]) -> str:
    all_headings = [item.text for item in items if item.kind == "heading"]
    headings = [text for text in all_headings if not _POLICY.match(text)][:1]
    in_code = any(f"# {title}" in item.text for item in items if item.kind == "code")
    given = [] if in_code else [title.rstrip("…")]
    for candidate in (*given, front_title(body), *headings):
        named = plain(candidate)
        head = named if _NUMBERED.match(named) else _PART.split(named, maxsplit=1)[0]
        opening = _ORDER.match(head)
        short = _TAIL.sub("", head[opening.end() if opening else 0 :]).strip(" .,:;!?\"'`")
        if not _GENERIC_TITLE.match(named) and len(short) > 1:
            had_article = bool(opening and opening[0]) and not short[0].isupper()
            return cut(f"the {short}" if had_article else short, _SUBJECT)
    return NO_SUBJECT


def _files(items: Sequence[Item]) -> tuple[str, ...]:
    found = dict.fromkeys(
        name
        for item in items
        if item.kind != "code" and not is_skipped(item)
        for name in _FILE.findall(item.text)
    )
    return tuple(found)[: 2 * _MOST_NAMES]


def _names(items: Sequence[Item]) -> tuple[str, ...]:
    found = dict.fromkeys(
        name
        for item in items
        if item.kind not in {"code", "row"} and not is_skipped(item)
        for name in _CODE_NAME.findall(item.text)
        if not (_FILE.fullmatch(name) or "." in name)
    )
    callable_first = sorted(found, key=lambda name: not _CALLABLE.search(name))
    return tuple(callable_first)[:_MOST_NAMES]


def _deliverables(items: Sequence[Item], files: Sequence[str]) -> tuple[str, ...]:
    """Return what is to be handed in: what a submission part lists, else files named with it."""
    section = [item for item in items if is_handing_in(item) and item.kind != "heading"]
    if said := _said_deliverables(items):
        return said
    found = [name for item in section for name in _named(item.text)]
    if not found:
        listed = [item.text for item in section if item.kind in {"bullet", "number", "checkbox"}]
        found = [part for text in listed if (part := _undated(text))]
    for item in items:
        if item.kind in {"code", "row"} or is_skipped(item):
            continue
        for sentence in sentences(item.text) if _HAND_IN.search(item.text) else ():
            if _HAND_IN.search(sentence) and not _HOLDS_BACK.search(sentence):
                found += _named(sentence) or ([] if found else _objects(sentence))
    if not found:
        loaded = [item.text for item in items if item.kind == "code"]
        notebooks = [name for text in loaded for name in _OWN_NOTEBOOK.findall(text)]
        found = notebooks or [
            name for name in files if name.endswith(".ipynb") or "readme" in name.lower()
        ]
    tidy = dict.fromkeys(cut(clean(text).strip(" .,;:"), _DELIVERABLE) for text in found)
    return tuple(text for text in tidy if text)[:_MOST_NAMES]


def _said_deliverables(items: Sequence[Item]) -> tuple[str, ...]:
    """Read a paragraph such as `Deliverables: the code, a report.`."""
    for item in items:
        said = _SAYS_DELIVERABLES.match(item.text) if item.kind == "paragraph" else None
        if said:
            listed = re.split(r",\s*(?:and\s+)?|;\s*|\s+and\s+", sentences(said[1])[0])
            undated = [_undated(part) for part in listed]
            parts = [cut(part.strip(" .`").replace("`", ""), _DELIVERABLE) for part in undated]
            if named := tuple(part for part in parts if terms(part))[:_MOST_NAMES]:
                return named
    return ()


def _undated(part: str) -> str:
    """Take the date off a thing to hand in; nothing is left of a bare date or time."""
    thing = _WHEN.split(f" {part.strip()}", maxsplit=1)[0].strip()
    return "" if is_time_only(thing) else thing


def _named(text: str) -> list[str]:
    return [*_FOLDER.findall(text), *_FILE.findall(text)]


def _objects(sentence: str) -> list[str]:
    found = _HAND_IN_OBJECT.search(sentence)
    if not found or re.search(r"\b(?:click|button|survey|form|order|user)\b", sentence, re.I):
        return []
    named = re.split(
        r"\s+(?:by|before|until|to (?:the )?[A-Z]\w*|via|on|through|so that|when|if|no later)\b",
        found[1],
    )[0]
    return [part for part in re.split(r",\s+(?:and\s+)?|\s+and\s+", named) if terms(part)]
