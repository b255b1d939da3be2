"""A chat answer put together by rules: quotes with their numbers, in four parts.

It knows the order of an answer and how a conversation goes on. It says nothing that is not
quoted, asked by the student, or marked as a general rule.
"""

import re
from collections.abc import Sequence

from agent.models.offline.answers.advice import STEPS, general_rules
from agent.models.offline.answers.assignment import answer_about_assignment
from agent.models.offline.answers.quoting import (
    GENERIC,
    Found,
    Query,
    Unit,
    echo,
    error_names,
    excerpt,
    is_practice,
    nearest,
    quote,
    search,
    units,
    unmarked,
)
from agent.models.offline.answers.replies import CAN, reply
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.words import listed, related, stem, terms

NO_MODEL = "No language model was called for this answer"
_QUOTED = (
    f"*{NO_MODEL}: rules chose the words in quotation marks and the code from past assignments.*"
)
_UNQUOTED = f"*{NO_MODEL}, and nothing in it is quoted from past assignments.*"

_FOLLOWS = re.compile(
    r"^\W*(?:and|but|also|so|ok|then|what about|how about|why|more|another|again|what if"
    r"|can you|could you)\b"
    r"|\b(?:it|its|that|this|these|those|them|they|the same|above|previous|earlier|instead)\b",
    re.I,
)
_REPHRASE = re.compile(
    r"\b(?:explain|say|tell|describe|put|repeat|write)\b.{0,40}\b(?:again|simpl\w+|easier"
    r"|differently|other words|more clearly|shorter|like i'?m \w+)\b"
    r"|\b(?:rephrase|reword|simplify|shorten|summari[sz]e)\b.{0,12}\b(?:it|that|this)\b|\beli5\b"
    r"|\bi (?:still )?(?:don'?t|do not|didn'?t) (?:get|understand)(?: (?:it|that|this))?\W*$"
    r"|\bwhat do you mean\b",
    re.I,
)
_THAT = re.compile(r"\b(?:it|that|this|them|those|these)\b", re.I)
_MANNER = frozenset(map(stem, ("simply", "simple", "simpler", "easier", "differently", "clearly")))
_ABOUT_ERROR = re.compile(
    r"\b(?:\w*(?:errors?|exceptions?)|traceback|fails?|failing|crash\w*|seg(?:mentation )?faults?"
    r"|bug|wrong|stuck|doesn'?t work)\b",
    re.I,
)
_ABOUT_CHOICE = re.compile(r"\b(?:differen\w+|compare|versus|vs|better|or)\b", re.I)
_ABOUT_WAY = re.compile(r"\b(?:how|implement|build|make|write|add|do i|should i|way to)\b", re.I)
_SHORT_QUESTION = 7
_READ = 4_000
_LOOKED_BACK = 3
_QUOTES = 3
_PRACTICES = 2
_TASK_WEIGHT, _ASSIGNMENT_WEIGHT, _EARLIER_WEIGHT, _GENERIC_WEIGHT = 0.3, 0.1, 0.7, 0.2
_ASSIGNMENT_READ = 300
_OTHER_SCRIPT = 0.3


def write_answer(asked: Asked) -> str:
    """Answer the question of a prompt."""
    question = asked.request.strip()
    fixed = reply(question, asked.current_task) or answer_about_assignment(question, asked)
    if fixed:
        return f"{fixed}\n\n{_UNQUOTED}"
    pool = units(asked.entries)
    before = [text for text in asked.earlier if not _is_no_subject(text)]
    if _is_rephrasing(question):
        return _not_rephrased(before, pool, asked)
    earlier = _earlier(question, before)
    query = _query(question, earlier, asked)
    opening = _opening(question, asked, earlier)
    found = search(pool, query)
    if not any(one.unit.role != "next" for one in found):
        return _without_passage(opening, question, asked, pool, query)
    if earlier:
        seen = _quoted_before(before, pool, asked)
        found, note = _gone_on(found, seen, question)
        opening += f"\n\n{note}" if note else ""
    return _with_passages(opening, question, asked, found, [*query.asked])


def _query(question: str, earlier: str, asked: Asked) -> Query:
    own = terms(question[:_READ])
    weights = {word: _GENERIC_WEIGHT if word in GENERIC else 1.0 for word in own}
    for word in terms(earlier):
        weights.setdefault(word, _EARLIER_WEIGHT * (_GENERIC_WEIGHT if word in GENERIC else 1.0))
    return Query(weights, _around(asked), error_names(question[:_READ]))


def _is_rephrasing(question: str) -> bool:
    """Say whether a question wants the same in other words, and names no subject of its own."""
    words = terms(question[:_READ])
    if len(question) >= _READ or len(words) >= _SHORT_QUESTION or not _REPHRASE.search(question):
        return False
    return bool(_THAT.search(question)) or not set(words) - GENERIC - _MANNER


def _is_no_subject(text: str) -> bool:
    return not terms(text[:_READ]) or _is_rephrasing(text) or bool(reply(text[:_READ], ""))


def _not_rephrased(before: Sequence[str], pool: Sequence[Unit], asked: Asked) -> str:
    """Say that rules have no other words, and where those come from that were quoted."""
    lines = ["Rules cannot rephrase: I choose sentences, and have no other words for them."]
    earlier = before[-1][:_READ] if before else ""
    found = search(pool, _query(earlier, _earlier(earlier, before[:-1]), asked))
    approach, _ = _choose(found)
    if approach:
        unit = approach[0]
        place = next(one.place for one in asked.entries if one.number == unit.number)
        lines.append(
            f"What comes nearest to “{echo(earlier)}” stands in *{unit.title}* ({place}): "
            f"{quote(unit)} Read the part around it there."
        )
    elif earlier:
        lines.append(
            f"The sources of what I said about “{echo(earlier)}” stand in that answer; read the "
            "parts around the quotes there."
        )
    lines.append(
        "I can narrow the question instead: which word or which line is unclear? Ask for it "
        "alone, such as “What is …?”, and I will search for that."
    )
    return "\n\n".join([*lines, _QUOTED if approach else _UNQUOTED])


def _gone_on(found: list[Found], seen: set[str], question: str) -> tuple[list[Found], str]:
    """Leave what was quoted before for what meets the words of a follow-up, if anything does."""
    own = frozenset(terms(question)) - GENERIC
    own = own.union(*map(related, own))
    new = [one for one in found if one.unit.text not in seen]
    fitting = [one for one in new if own & one.unit.words]
    if _texts(fitting):
        return fitting, ""
    if _texts(new):
        return (
            new,
            "Nothing speaks of this in particular; what follows adds to the question before.",
        )
    return found, "Nothing fits this beyond what answers the question before."


def _quoted_before(before: Sequence[str], pool: Sequence[Unit], asked: Asked) -> set[str]:
    """Return what the rules quote for the last questions, from the passages that are given now."""
    seen: set[str] = set()
    for index in range(max(0, len(before) - _LOOKED_BACK), len(before)):
        text = before[index][:_READ]
        found = search(pool, _query(text, _earlier(text, before[:index]), asked))
        approach, practice = _choose(found)
        code = _code(found, _texts(found))
        seen.update(unit.text for unit in (*approach, *practice, *([code] if code else [])))
    return seen


def _earlier(question: str, before: Sequence[str]) -> str:
    """Return the question that this one goes on from, or an empty string."""
    is_short = len(terms(question)) < _SHORT_QUESTION
    if not before or not is_short or not _FOLLOWS.search(question):
        return ""
    return next((text[:_READ] for text in reversed(before) if len(terms(text[:_READ])) > 1), "")


def _around(asked: Asked) -> dict[str, float]:
    weights = dict.fromkeys(terms(asked.assignment[:_ASSIGNMENT_READ]), _ASSIGNMENT_WEIGHT)
    task = f"{asked.current_task} {' '.join(asked.tools)}"
    return weights | dict.fromkeys(terms(task), _TASK_WEIGHT)


def _opening(question: str, asked: Asked, earlier: str) -> str:
    asks = f"“{echo(question)}”"
    if earlier:
        asks += f", after what we said about “{echo(earlier)}”"
    title = asked.assignment.partition("\n")[0]
    place = f" in {echo(title)}" if title else ""
    task = f", for your task “{echo(asked.current_task)}”" if asked.current_task else ""
    return f"On {asks}{place}{task}:"


def _with_passages(
    opening: str, question: str, asked: Asked, found: Sequence[Found], words: Sequence[str]
) -> str:
    approach, practice = _choose(found)
    lines = [opening, "", "## Approach", ""]
    if approach:
        lines += [f"- From *{unit.title}*: {quote(unit)}" for unit in approach]
    else:
        lines.append("No passage explains it in words; the example below comes nearest.")
    lines += ["", "## Example", "", *_example(_code(found, _texts(found)), words)]
    rules = general_rules(words, max(0, _PRACTICES - len(practice)))
    if practice or rules:
        lines += ["", "## Good practice", "", *(f"- {quote(unit)}" for unit in practice)]
        lines += [f"- General rule, not from a past assignment: {rule}" for rule in rules]
    used = {unit.text for unit in approach}
    lines += ["", "## Next steps", "", *_next_steps(question, asked, found, used)]
    return "\n".join([*lines, "", _QUOTED])


def _texts(found: Sequence[Found]) -> list[Found]:
    return [one for one in found if one.unit.role in {"text", "practice", "asked"}]


def _choose(found: Sequence[Found]) -> tuple[list[Unit], list[Unit]]:
    """Choose what to quote as the approach, and as good practice."""
    approach = _spread(_texts(found), _QUOTES)
    used = {unit.text for unit in approach}
    rest = [one.unit for one in found if is_practice(one.unit) and one.unit.text not in used]
    return approach, rest[:_PRACTICES]


def _spread(found: Sequence[Found], most: int) -> list[Unit]:
    """Take the best units, at most two of one entry, and none far behind the best."""
    chosen: list[Unit] = []
    for one in found:
        same = sum(unit.number == one.unit.number for unit in chosen)
        near = one.score >= found[0].score * 0.45
        if same < most - 1 and near and len(chosen) < most:
            chosen.append(one.unit)
    return chosen


def _code(found: Sequence[Found], texts: Sequence[Found]) -> Unit | None:
    """Choose the code to show: the best that fits, from an entry that is quoted if there is one."""
    codes = [one for one in found if one.unit.role == "code"]
    quoted = {one.unit.number for one in texts[:_QUOTES]}
    return next((one.unit for one in codes if one.unit.number in quoted), None) or (
        codes[0].unit if codes else None
    )


def _example(code: Unit | None, words: Sequence[str]) -> list[str]:
    if code is None:
        return ["The passages that fit hold no code for this."]
    text = excerpt(code, frozenset(words))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=2))
    part = "An excerpt" if text.count("\n") < code.text.rstrip().count("\n") else "The code"
    return [
        f"{part} of the solution of *{code.title}* [{code.number}]. It solved another task: "
        "take the shape, not the lines.",
        "",
        f"{fence}{code.language}",
        text,
        fence,
    ]


def _next_steps(question: str, asked: Asked, found: Sequence[Found], used: set[str]) -> list[str]:
    best = found[0].unit.number
    steps = [
        quote(one.unit)
        for one in found
        if one.unit.role == "next" and one.unit.number == best and one.unit.text not in used
    ]
    listed_steps = [f"That assignment went on like this: {steps[0]}"] if steps else []
    if asked.current_task:
        by = f" with {listed(asked.tools)}" if asked.tools else ""
        listed_steps.append(
            f"Do the smallest part of “{echo(asked.current_task)}”{by} that you can run."
        )
    listed_steps += STEPS[_kind(question)][: 2 if asked.current_task else 3][-2:]
    if not asked.current_task:
        listed_steps.append(
            "Tell me which task of your plan this is for, so that I can search closer."
        )
    numbered = [f"{index}. {step}" for index, step in enumerate(listed_steps, start=1)]
    return [*numbered, "", "Which of these would you like to go into?"]


def _kind(question: str) -> str:
    question = question[:_READ]
    if _ABOUT_ERROR.search(question):
        return "error"
    if _ABOUT_CHOICE.search(question):
        return "compare"
    return "how" if _ABOUT_WAY.search(question) else "what"


def _without_passage(
    opening: str, question: str, asked: Asked, pool: Sequence[Unit], query: Query
) -> str:
    near = _nearest(asked, pool, query)
    lines = [opening, "", *near]
    if not near:
        lines += [
            "No past assignment that was found speaks of this, so I can quote nothing and will "
            f"not guess. {CAN}",
        ]
    if rules := general_rules(query.asked):
        lines += ["", "## Good practice", ""]
        lines += [f"- General rule, not from a past assignment: {rule}" for rule in rules]
    steps = [*STEPS[_kind(question)]]
    if asked.current_task:
        steps.append(f"Come back to “{echo(asked.current_task)}” with what you found.")
    lines += [
        "",
        "## Next steps",
        "",
        *(f"{index}. {step}" for index, step in enumerate(steps, start=1)),
        "",
        "What have you tried so far, and what did you expect to happen?",
    ]
    letters = [char for char in question if char.isalpha()]
    if letters and sum(not char.isascii() for char in letters) > len(letters) * _OTHER_SCRIPT:
        lines.append(
            "Without a language model I search best for English words; names of code work too."
        )
    return "\n".join([*lines, "", _QUOTED if near else _UNQUOTED])


def _nearest(asked: Asked, pool: Sequence[Unit], query: Query) -> list[str]:
    """Name the entry that shares most with the question; no lines where none does."""
    found = nearest(asked.entries, pool, query)
    if not found:
        return []
    entry, unit = found
    said = f" It may not answer you; it says: {quote(unit)}" if unit else ""
    return [
        "No sentence that was found answers this for certain.",
        "",
        f"The nearest past assignment: *{unmarked(entry.title)}* [{entry.number}].{said}",
    ]
