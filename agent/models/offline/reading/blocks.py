"""What stands in a prompt: its marked blocks, the lines beside them, the conversation before.

It knows how prompts mark their blocks and how past assignments are listed in them. Whatever
stands inside a block is data here: it is searched and quoted, never obeyed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from agent.models.offline.reading.words import clean, printable

_CLOSING = re.compile(r"^</(\w{1,40}) ([0-9a-f]{12})>[ \t]*$", re.M)
_ENTRY = re.compile(r"^### \[(\d{1,3})\] (.{0,300})\nlanguage: (.{0,60})\nplace: (.{0,400})$", re.M)
_ATTACHED = re.compile(r"^#### (Plan that was followed|Solution)[ \t]*$", re.M)
_TODAY = re.compile(r"^Today is (\d{4}-\d{2}-\d{2})", re.M)
_FIELD = r"^- {0}:[ \t]*(.{{1,400}})$"
_TITLE = re.compile(_FIELD.format("Title"), re.M)
_TASK = re.compile(_FIELD.format("Current task"), re.M)
_TOOLS = re.compile(_FIELD.format("Available tools"), re.M)
_UNKNOWN = re.compile(
    r"^\W*(?:not known|unknown|none|no (?:assignment|task|tools?)\b.{0,40}|-)\W*$", re.I
)
_MAX_ENTRIES = 40
_EARLIER = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One numbered passage of a past assignment, as the prompt lists it."""

    number: int
    title: str
    language: str
    place: str
    passage: str
    plan: str = ""
    solution: str = ""

    @property
    def section(self) -> str:
        """The part of the assignment that the passage comes from, in lower case."""
        return self.place.rpartition(",")[2].strip().lower()


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything a prompt says; empty where it says nothing."""

    request: str
    title: str = ""
    today: date | None = None
    assignment: str = ""
    """Title and text of the student's assignment."""
    current_task: str = ""
    tools: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    earlier: tuple[str, ...] = field(default=())
    """What the student asked before, oldest first."""


def read_prompt(messages: Sequence[BaseMessage]) -> Asked:
    """Read the last prompt of a conversation; a repair round leads back to the prompt before it."""
    humans = [message for message in messages if isinstance(message, HumanMessage)]
    if not humans:
        return Asked(request="")
    last = len(humans) - 1
    while (
        last
        and "findings" in blocks(humans[last].text)
        and _has_draft_before(messages, humans[last])
    ):
        last -= 1
    text = printable(humans[last].text)
    found = blocks(text)
    around = _around(text, found)
    facts = "\n".join([found.get("details", ""), found.get("context", ""), around])
    return Asked(
        request=found.get("request", "" if found else text).strip(),
        title=_field(_TITLE, facts),
        today=_today(around),
        assignment=_known(found.get("assignment", "")),
        current_task=_field(_TASK, facts),
        tools=tuple(tool.strip() for tool in _field(_TOOLS, facts).split(",") if tool.strip()),
        entries=tuple(entries(found.get("documents", ""))),
        earlier=tuple(_request_of(human) for human in humans[:last][-_EARLIER:]),
    )


def blocks(text: str) -> dict[str, str]:
    """Return a message's blocks by name."""
    boundary = _boundary(text)
    found: dict[str, str] = {}
    for closing in _CLOSING.finditer(text) if boundary else ():
        if closing[2] != boundary:
            continue
        opening = f"<{closing[1]} {boundary}>\n"
        start = text.find(opening)
        if 0 <= start < closing.start():
            found.setdefault(closing[1], text[start + len(opening) : closing.start()].rstrip("\n"))
    return found


def entries(documents: str) -> list[Entry]:
    """Read the numbered past assignments of a `documents` block."""
    heads: list[re.Match[str]] = []
    for head in _ENTRY.finditer(documents):
        if len(heads) < _MAX_ENTRIES and (not heads or int(head[1]) > int(heads[-1][1])):
            heads.append(head)
    found = []
    for index, head in enumerate(heads):
        end = heads[index + 1].start() if index + 1 < len(heads) else len(documents)
        parts = _ATTACHED.split(documents[head.end() : end])
        attached = dict(zip(parts[1::2], parts[2::2], strict=True))
        language = head[3].strip().lower()
        found.append(
            Entry(
                number=int(head[1]),
                title=clean(head[2]),
                language="" if language == "unknown" else language,
                place=clean(head[4]),
                passage=parts[0].strip(),
                plan=attached.get("Plan that was followed", "").strip(),
                solution=attached.get("Solution", "").strip(),
            )
        )
    return found


def _around(text: str, found: Iterable[str]) -> str:
    """Return the message without its blocks."""
    boundary = _boundary(text)
    for name in found:
        start = text.find(f"<{name} {boundary}>")
        end = text.find(f"</{name} {boundary}>", start)
        text = f"{text[:start]}{text[end:]}"
    return text


def _boundary(text: str) -> str:
    """Return the boundary that closes last: no value holds it, and no value stands behind it."""
    boundary = ""
    for closing in _CLOSING.finditer(text):
        boundary = closing[2]
    return boundary


def _has_draft_before(messages: Sequence[BaseMessage], human: HumanMessage) -> bool:
    before = messages[: next(i for i, message in enumerate(messages) if message is human)]
    return any(isinstance(message, AIMessage) for message in before)


def _field(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return _known(clean(found[1])) if found else ""


def _known(value: str) -> str:
    return "" if _UNKNOWN.match(value.strip()[:80]) and "\n" not in value.strip() else value.strip()


def _today(text: str) -> date | None:
    found = _TODAY.search(text)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _request_of(message: HumanMessage) -> str:
    text = printable(message.text)
    return blocks(text).get("request", text).strip()
