"""One-line wishes for a plan: `plan a todo app in Rust`, `steps for my parser: lex, parse, test`.

It knows how such a line names its thing and the parts of it. It reads no longer text.
"""

import re
from dataclasses import dataclass

from agent.models.offline.reading.requirements import IMPERATIVES, starts_with_order, without_lead
from agent.models.offline.reading.words import clean, terms

_LONGEST = 320
_PART_WORDS = 6
_MOST_PARTS = 12

_WISH = re.compile(
    r"\b(?:plan|schedule|roadmap|outline|steps?|stages|timeline|workflow|strategy|to-?do list"
    r"|checklist|gantt|sprints|architecture|br[ea]+k\w*(?: \w+){0,3} down|organi[sz]e|prioriti[sz]e"
    r"|order of (?:work|attack)|how long|split the|divide|scope|deliverables?|full marks"
    r"|depend on each other|in which order|what order|work items)\b"
    r"|\b(?:i|i'?m|i'?ve|me|we|us)\b"
    r"|\b(?:zeitplan|schritte|ablauf|tareas|pasos|planea\w*|planifi\w*|cronograma"
    r"|[ée]tapes|tarefas)\b"
    r"|план|计划|步骤|計画|手順|계획|خطة",
    re.I,
)
_PERSON = re.compile(r"\b(?:i|i'?m|i'?ve|me|we|us)\b", re.I)
_FOR_A_PLAN = re.compile(
    r"^(?:please\s+)?(?:plan|outline|schedule|organi[sz]e|break|split|divide|estimate"
    r"|propose|list|draft"
    r"|sketch|design the workflow|prioriti[sz]e|help|come up|scope"
    r"|(?:create|write|make|prepare|generate|build|give|show|add)\s+(?:an?|the)?\s*(?:\w+\s)?"
    r"(?:plan|schedule|roadmap|outline|timeline|checklist|strategy|steps|breakdown)\b)",
    re.I,
)
_BEFORE_ARTICLE = re.compile(r"^(?:\w+\s){0,3}?(?:the|an?|my|our)\s+", re.I)
_THING = re.compile(
    r"\b(?:plan|schedule|roadmap|outline|steps?|stages|timeline|workflow|strategy|checklist|gantt"
    r"|architecture|build|make|create|write|develop|implement)\b"
    r"(?:\s+(?:out|down|for|of|to|needed|required|on|into|build(?:ing)?|do|doing|style|list"
    r"|creat(?:e|ing)|mak(?:e|ing)|writ(?:e|ing)|implement(?:ing)?|develop(?:ing)?|deploy(?:ing)?"
    r"|the steps?)\b)*"
    r"\s+(?P<article>an?|the|my|our|this)\s+(?P<what>[\w#+ '/-]{3,80})",
    re.I,
)
_NAMED = re.compile(
    r"(?:\b(?P<article>an?|the|my|our)\s+)?(?P<what>(?:[\w#+-]+\s){0,3}(?:app|application|game|api"
    r"|website|parser|compiler|interpreter|server|client|bot|calculator|tool|dashboard|database"
    r"|simulator|library|service|system|front-end|backend|shell|editor|lab|analysis|robot"
    r"|engine))\b",
    re.I,
)
_NO_NAME = re.compile(
    r"\b(?:i|me|we|you|us|it|there|do|does|is|are|should|need|what|how|when|which|who|plan|steps?"
    r"|schedule|roadmap|first|both|write|code|build|make|create)\b",
    re.I,
)
_VAGUE = re.compile(
    r"^(?:(?:whole|entire|final|team|group|semester|course|next|big|first|last)\s+)*"
    r"(?:assignment|assigment|project|homework|coursework|work|task|weekend|week|lab|exercise"
    r"|submission|deadline|day|hour|step|part|list|lecture)s?(?:\s.*)?$",
    re.I,
)
_TAIL = re.compile(
    r"\s+(?:(?:written\s+)?(?:in|using)\s+[A-Z+#\w.]{1,14}|(?:by|until|due|with|that|which"
    r"|over|before"
    r"|for|and|into|down|is|are)\s.*|please)$",
    re.I,
)
_INTRODUCED = re.compile(
    r"\b(?:we need|it needs|i need|with|including|has to have|should have|must have|features?"
    r"|consists? of)\s+(?P<parts>[^.;:!?\n]{3,200})",
    re.I,
)
_AFTER_COLON = re.compile(r":\s*(?P<parts>[^.;:!?\n]{3,200})")
_NUMBERED = re.compile(r"\b\d{1,2}\)\s*([A-Za-z][^\d.;:!?\n]{1,60})")
_LANGUAGE = re.compile(r"\s+(?:in|using)\s+[A-Z+#\w.]{1,14}\W*$", re.I)


@dataclass(frozen=True, slots=True)
class Idea:
    """What a one-line wish wants planned; empty where it does not say."""

    subject: str
    parts: tuple[str, ...]
    """The parts it names, each as an order."""


def read_idea(text: str) -> Idea | None:
    """Read a one-line wish for a plan; `None` for any other text.

    >>> read_idea("plan a todo app in Rust, we need login and search")
    Idea(subject='the todo app', parts=('Add login', 'Add search'))
    """
    line = clean(text)
    is_line = "\n" not in text.strip() and len(line) <= _LONGEST
    if not (is_line and _WISH.search(line)) or _is_order(line):
        return None
    named = [*_THING.finditer(line), *_NAMED.finditer(line)]
    subjects = (_subject(found["article"] or "", found["what"]) for found in named)
    return Idea(next((subject for subject in subjects if subject), ""), _parts(line))


def _is_order(line: str) -> bool:
    """Say whether a line orders a program and not a plan, like `Build a route planner`."""
    if _PERSON.search(line) or _FOR_A_PLAN.match(line):
        return False
    return starts_with_order(line) or without_lead(line) != line


def _subject(article: str, what: str) -> str:
    short = _BEFORE_ARTICLE.sub("the ", what.strip()).removeprefix("the ")
    while (cut_off := _TAIL.sub("", short)) != short:
        short = cut_off.strip()
    if _VAGUE.match(short) or _NO_NAME.search(short) or not terms(short):
        return ""
    return short if not article or short[0].isupper() else f"the {short}"


def _parts(line: str) -> tuple[str, ...]:
    numbered = [clean(part) for part in _NUMBERED.findall(line)]
    if len(numbered) > 1:
        return tuple(_order(part) for part in numbered[:_MOST_PARTS])
    for listed in (*_INTRODUCED.finditer(line), *_AFTER_COLON.finditer(line)):
        named = re.split(r",\s*(?:and\s+)?|\s+and\s+", _LANGUAGE.sub("", listed["parts"]))
        parts = [part.strip() for part in named if part.strip()]
        if len(parts) > 1 and all(_is_part(part) for part in parts):
            return tuple(_order(part) for part in parts[:_MOST_PARTS])
    return ()


def _is_part(part: str) -> bool:
    is_short = len(part.split()) <= _PART_WORDS and bool(terms(part))
    return is_short and part[0].isalpha() and not _NO_NAME.search(part)


def _order(part: str) -> str:
    first = part.partition(" ")[0].lower()
    return f"{part[0].upper()}{part[1:]}" if first in IMPERATIVES else f"Add {part}"
