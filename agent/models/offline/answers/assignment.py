"""Questions about the student's own assignment: due when, to hand in what, where to begin.

It knows how such questions are put, and answers them from the assignment's own text. It quotes no
past assignment.
"""

import re
from collections.abc import Sequence

from agent.models.offline.answers.quoting import echo, is_order_to_a_model, unmarked
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.brief import read_brief
from agent.models.offline.reading.deadline import find_deadline
from agent.models.offline.reading.outline import outline
from agent.models.offline.reading.words import cut, listed, sentences

_LONGEST = 300
_LINE = 300
_MOST = 8
_MOST_LINES = 40
_LEAD = (
    r"^\W*(?:(?:so|ok(?:ay)?|and|but|hi|hello|hey|please|(?:can|could) you tell me|do you know"
    r"|tell me)\W+)*"
)
_OWN = (
    r"(?:(?:my|our|the|this)\s+(?:\w+\s+){0,2}(?:assignment|homework|project|coursework|exercise"
    r"|lab|task|submission|work|brief))"
)
_IT = rf"(?:it|this|that|everything|{_OWN})"
_TAIL = rf"(?:\s+(?:with|on|in|for|of))?(?:\s+{_IT})?\W*$"
_ASKED = {
    "due": (
        rf"(?:by |until )?when(?:'s| is| are| was) {_IT}(?: to be)? (?:due|handed in|submitted)\b"
        r"|(?:by |until )?when(?: exactly)? (?:do|must|should|shall|have|can) (?:i|we)(?: have"
        rf"| need)?(?: to)? (?:(?:hand|turn)\b.{{0,40}}\bin\b|"
        rf"(?:submit|finish|be done)(?: {_IT})?\W*$)"
        r"|what(?:'?s| is) (?:my|our|the) (?:\w+ )?(?:deadline|due date|submission date)"
        rf"{_TAIL}"
        rf"|(?:what|which) (?:day|date|time) is {_IT} due\b"
        r"|how (?:long|much time|many (?:days|weeks)) (?:do|have) (?:i|we) (?:have |got )?"
        rf"(?:left|until the deadline|to finish {_IT})\W*$"
        rf"|is there a (?:deadline|due date){_TAIL}|(?:the )?(?:deadline|due date)\W*$"
    ),
    "hand in": (
        r"(?:what|which \w+)(?: exactly)? (?:do|must|should|shall|have|am|are) (?:i|we)"
        r"(?: \w+){0,3}? (?:hand(?: \w+)? in|turn(?: \w+)? in|submit|deliver)"
        r"(?=\W*$|\s+(?:for|by|at|on|this|as)\b)"
        r"|what (?:has to|needs to|have to|must|should) be (?:handed in|submitted|turned in)\b"
        r"|what(?:'?s| is| are) (?:my|our|the) deliverables?\b"
    ),
    "first": (
        r"(?:what|which)(?: (?:task|step|part|one|thing))? (?:should|do|must|shall|can) (?:i|we)"
        r"(?: (?:have|need) to)? (?:do|start|begin|tackle|take|work on)(?: (?:with|on|at))?"
        rf"(?: first| next| now)?{_TAIL}"
        rf"|(?:where|how) (?:do|should|can|shall) (?:i|we) (?:start|begin|get started){_TAIL}"
        rf"|what(?:'?s| is) (?:my|the) (?:current|next|first) (?:task|step){_TAIL}"
        r"|what(?:'?s| is) next\W*$|what am i working on\b"
        r"|(?:what|which) (?:task|step) am i (?:on|at)\b"
    ),
    "asks": (
        rf"what (?:does|do) {_OWN} (?:ask|require|want|demand|say)\b"
        rf"|what(?:'?s| is) {_OWN}(?: (?:about|asking(?: for)?))?\W*$"
        rf"|what are (?:my|our|the) requirements{_TAIL}"
        r"|what (?:do|must|should) (?:i|we) (?:have to |need to )?(?:build|implement)"
        rf"(?: (?:for|in) {_OWN})?\W*$"
    ),
    "graded": (
        rf"how (?:is|are|will) (?:i|we|{_IT})(?: be)? (?:graded|marked|assessed|scored)\b"
        r"|what(?:'?s| is) (?:my|our|the) (?:grading|rubric|marking)\b"
    ),
}
_KINDS = {kind: re.compile(f"{_LEAD}(?:{pattern})", re.I) for kind, pattern in _ASKED.items()}
_DUE = re.compile(
    r"\b(?:due|dead-?line)\b|\b(?:hand|turn|submi|deliver)\w*\b.{0,80}\b(?:by|before|until|on)\b",
    re.I,
)
_GRADED = re.compile(
    r"\b(?:grad(?:ed|es?|ing)|marks?|marking|rubric|points?|assess\w*)\b|\d\s?%", re.I
)
_UNKNOWN = (
    "No assignment is known in this conversation, so I cannot say. Plan it first with "
    "`assist plan FILE`; its id stands in the answer. Then name it: `--assignment ID` in the "
    "terminal, `assignment_id` in a request. You can also paste the assignment's text."
)
_CHECK = "Rules can misread a text; check it against the original."


def answer_about_assignment(question: str, asked: Asked) -> str:
    """Answer a question about the own assignment; an empty string for any other question."""
    if len(question) > _LONGEST:
        return ""
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.search(question)), "")
    if not kind:
        return ""
    if kind == "first" and asked.current_task:
        return _current(asked)
    if not asked.assignment:
        return _UNKNOWN
    return _read(kind, asked)


def _current(asked: Asked) -> str:
    by = f" Its tools: {listed(asked.tools)}." if asked.tools else ""
    title = asked.assignment.partition("\n")[0]
    source = f"the text of “{echo(title)}” and its plan" if title else "your plan"
    return (
        f"Read by rules from {source}:\n\n"
        f"Your current task is “{echo(asked.current_task, _LINE)}”: do this one first.{by} Begin "
        "with the smallest part of it that you can run."
    )


def _read(kind: str, asked: Asked) -> str:
    title, _, text = asked.assignment.partition("\n")
    title = title[:_LINE]
    said = {
        "due": _due,
        "hand in": _hand_in,
        "first": _first,
        "asks": _asks,
        "graded": _graded,
    }[kind](title, text, asked)
    return f"Read by rules from the text of “{echo(title)}”:\n\n{said}\n\n{_CHECK}"


def _due(title: str, text: str, asked: Asked) -> str:
    day = find_deadline(f"{text}\n\n{title}", asked.today)
    lines = _lines(text, _DUE)
    if not day:
        if lines:
            return f"It gives no date that rules can read for certain. It says: {_said(lines[0])}"
        return "It gives no deadline that rules can find. Ask the teaching staff for it."
    dated = [line for line in lines if find_deadline(line, asked.today) == day]
    shown = day.replace("T", ", at ")
    return f"It is due on {shown}." + (f" It says: {_said(dated[0])}" if dated else "")


def _hand_in(title: str, text: str, asked: Asked) -> str:
    found = read_brief(text, title=title, today=asked.today).deliverables
    names = [name for name in found if not is_order_to_a_model(name)]
    if not names:
        return "It does not say what to hand in, as far as rules can tell."
    shown = [f"`{name}`" if " " not in name else unmarked(name) for name in names]
    return "\n".join(["To hand in:", "", *(f"- {name}" for name in shown)])


def _first(title: str, text: str, asked: Asked) -> str:
    wanted = _requirements(title, text, asked)
    if not wanted:
        return "What it asks is not clear to rules. Paste its text, or ask me for a plan of it."
    return (
        f"No task of a plan is known. Begin with what it asks first: {_said(wanted[0])} "
        "With a plan, made by `assist plan FILE`, I can name the task that comes first."
    )


def _asks(title: str, text: str, asked: Asked) -> str:
    wanted = _requirements(title, text, asked)
    if not wanted:
        return "What it asks is not clear to rules. Paste its text, or ask me for a plan of it."
    more = len(wanted) - _MOST
    rest = [f"- and {more} more"] if more > 0 else []
    return "\n".join(["It asks:", "", *(f"- {_said(one)}" for one in wanted[:_MOST]), *rest])


def _graded(_title: str, text: str, _asked: Asked) -> str:
    lines = _lines(text, _GRADED)
    if not lines:
        return "It does not say how it is graded, as far as rules can tell."
    return "\n".join(f"- {_said(line)}" for line in lines[:3])


def _requirements(title: str, text: str, asked: Asked) -> list[str]:
    found = read_brief(text, title=title, today=asked.today).requirements
    return [one.text for one in found if not is_order_to_a_model(one.text)]


def _lines(text: str, pattern: re.Pattern[str]) -> Sequence[str]:
    """Return the sentences of a text that hold a pattern."""
    found: list[str] = []
    for item in outline(text):
        if item.kind != "code" and len(found) < _MOST_LINES and pattern.search(item.text):
            found += [
                said
                for said in sentences(item.text)
                if pattern.search(said) and not is_order_to_a_model(said)
            ]
    return found[:_MOST_LINES]


def _said(text: str) -> str:
    return f"“{unmarked(cut(text, _LINE))}”"
