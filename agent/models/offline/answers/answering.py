"""A chat answer put together by rules: quotes with their numbers, in four parts.

It knows the order of an answer and how a conversation goes on. It says nothing that is not
quoted, asked by the student, or marked as a general rule.
"""

import re
from collections.abc import Sequence

from agent.models.offline.answers.advice import STEPS, general_rules
from agent.models.offline.answers.quoting import (
    GENERIC,
    Found,
    Unit,
    excerpt,
    is_practice,
    quote,
    search,
    units,
    unmarked,
)
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.words import cut, listed, terms

NO_MODEL = "No language model was called for this answer"
_QUOTED = (
    f"*{NO_MODEL}: rules chose the words in quotation marks and the code from past assignments.*"
)
_UNQUOTED = f"*{NO_MODEL}, and nothing in it is quoted from past assignments.*"

_GREETING = re.compile(
    r"^\W*(?:hi+|hello|hey+|hiya|yo|good (?:morning|afternoon|evening|day)|hallo|hola"
    r"|bonjour|salut|ol[aá]|ciao"
    r"|ok(?:ay)?|cool|great|nice|perfect|bye|goodbye|see you|cu|lol|test)(?: (?:there|all"
    r"|you|everyone|tomorrow))*\W*$",
    re.I,
)
_THANKS = re.compile(
    r"^\W*(?:thanks?|thank you|thx|ty|danke|gracias|merci|obrigad[oa])\b.{0,40}$", re.I
)
_WHO = re.compile(
    r"^\W*(?:(?:hi|hello|hey)\W+)?(?:who are you|what are you|what can you do|what do you "
    r"do|help(?: me)?|how do you work)\W*$",
    re.I,
)
_FOLLOWS = re.compile(
    r"^\W*(?:and|but|also|so|ok|then|what about|how about|why|more|another|again|what if"
    r"|can you|could you)\b"
    r"|\b(?:it|its|that|this|these|those|them|they|the same|above|previous|earlier|instead)\b",
    re.I,
)
_ABOUT_ERROR = re.compile(
    r"\b(?:errors?|exceptions?|traceback|fails?|failing|crash\w*|bug|wrong|stuck|doesn'?t work)\b",
    re.I,
)
_ABOUT_CHOICE = re.compile(r"\b(?:differen\w+|compare|versus|vs|better|or)\b", re.I)
_ABOUT_WAY = re.compile(r"\b(?:how|implement|build|make|write|add|do i|should i|way to)\b", re.I)
_SHORT_QUESTION = 7
_READ = 4_000
_SHOWN = 90
_QUOTES = 3
_PRACTICES = 2
_TASK_WEIGHT, _ASSIGNMENT_WEIGHT, _EARLIER_WEIGHT, _GENERIC_WEIGHT = 0.3, 0.1, 0.7, 0.2
_ASSIGNMENT_READ = 300
_OTHER_SCRIPT = 0.3


def write_answer(asked: Asked) -> str:
    """Answer the question of a prompt."""
    question = asked.request.strip()
    if social := _social(question, asked):
        return f"{social}\n\n{_UNQUOTED}"
    earlier = _earlier(question, asked.earlier)
    own = terms(question[:_READ])
    weights = {word: _GENERIC_WEIGHT if word in GENERIC else 1.0 for word in own}
    for word in terms(earlier):
        weights.setdefault(word, _EARLIER_WEIGHT * (_GENERIC_WEIGHT if word in GENERIC else 1.0))
    found = search(units(asked.entries), weights, _around(asked))
    opening = _opening(question, asked, earlier)
    if not any(one.unit.role != "next" for one in found):
        return _without_passage(opening, question, asked, [*weights])
    return _with_passages(opening, question, asked, found, [*weights])


def _social(question: str, asked: Asked) -> str:
    """Answer a greeting, thanks or `who are you`; an empty string for a real question."""
    can = (
        "I can plan an assignment, quote what past assignments did about a question, or write a "
        "code skeleton. Tell me which task you are on, or paste the text you were given."
    )
    if not terms(question) and not question.endswith("?"):
        return f"I could not find a question in that. {can}"
    if _THANKS.match(question):
        return "You are welcome. Tell me when you reach the next task."
    if _GREETING.match(question):
        task = (
            f" You are working on “{cut(asked.current_task, _SHOWN)}”."
            if asked.current_task
            else ""
        )
        return f"Hello!{task} {can}"
    return can if _WHO.match(question) else ""


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
    asks = f"“{_echo(question)}”"
    if earlier:
        asks += f", after what we said about “{_echo(earlier)}”"
    title = asked.assignment.partition("\n")[0]
    place = f" in {_echo(title)}" if title else ""
    task = f", for your task “{_echo(asked.current_task)}”" if asked.current_task else ""
    return f"On {asks}{place}{task}:"


def _echo(text: str) -> str:
    return cut(unmarked(text).replace("`", "").replace("“", "").replace("”", ""), _SHOWN)


def _with_passages(
    opening: str, question: str, asked: Asked, found: Sequence[Found], words: Sequence[str]
) -> str:
    texts = [one for one in found if one.unit.role in {"text", "practice", "asked"}]
    approach = _spread(texts, _QUOTES)
    used = {unit.text for unit in approach}
    practice = [one.unit for one in found if is_practice(one.unit) and one.unit.text not in used][
        :_PRACTICES
    ]
    lines = [opening, "", "## Approach", ""]
    if approach:
        lines += [f"- From *{unit.title}*: {quote(unit)}" for unit in approach]
    else:
        lines.append("No passage explains it in words; the example below comes nearest.")
    lines += ["", "## Example", "", *_example(_code(found, texts), words)]
    lines += ["", "## Good practice", ""]
    lines += [f"- {quote(unit)}" for unit in practice]
    if len(practice) < _PRACTICES:
        rules = general_rules(words, _PRACTICES - len(practice))
        lines += [f"- General rule, not from a past assignment: {rule}" for rule in rules]
    lines += ["", "## Next steps", "", *_next_steps(question, asked, found, used)]
    return "\n".join([*lines, "", _QUOTED])


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
            f"Do the smallest part of “{_echo(asked.current_task)}”{by} that you can run."
        )
    listed_steps += STEPS[_kind(question)][: 2 if asked.current_task else 3][-2:]
    if not asked.current_task:
        listed_steps.append(
            "Tell me which task of your plan this is for, so that I can search closer."
        )
    numbered = [f"{index}. {step}" for index, step in enumerate(listed_steps, start=1)]
    return [*numbered, "", "Which of these would you like to go into?"]


def _kind(question: str) -> str:
    if _ABOUT_ERROR.search(question):
        return "error"
    if _ABOUT_CHOICE.search(question):
        return "compare"
    return "how" if _ABOUT_WAY.search(question) else "what"


def _without_passage(opening: str, question: str, asked: Asked, words: Sequence[str]) -> str:
    steps = [*STEPS[_kind(question)]]
    if asked.current_task:
        steps.append(f"Come back to “{_echo(asked.current_task)}” with what you found.")
    lines = [
        opening,
        "",
        "No past assignment that was found speaks of this, so I can quote nothing and will "
        "not guess.",
        "",
        "## Good practice",
        "",
        *(f"- General rule: {rule}" for rule in general_rules(words)),
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
    return "\n".join([*lines, "", _UNQUOTED])
