"""Passages that answer a question: sentences and code chosen by the rare words they share with it.

It knows how to weigh and quote. It does not know what an answer looks like.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from agent.models.offline.reading.blocks import Entry
from agent.models.offline.reading.outline import Item, outline
from agent.models.offline.reading.words import clean, cut, rarity, related, sentences, stem, terms

Role = Literal["text", "practice", "next", "asked", "code"]
_BY_ROLE: Mapping[str, float] = {"asked": 0.6, "practice": 1.1}
_NOT_BY_NEARNESS = frozenset(("asked", "code"))
_NOT_SAID = frozenset(("next", "code"))
_COMMON = """
    difference between implement work end example code best way question problem assignment
    project program task write create build add better good know understand explain mean point
    learn start begin handle correct properly right wrong issue idea approach solution
    function file data value number result compute computation line list name type run call
    return set
"""
GENERIC = frozenset(stem(word) for word in _COMMON.split())
"""Words that nearly every question of programming holds; they count little."""
_VAGUE = """
    error exception fail failure failing traceback crash raise throw catch test testing unit check
    fast slow speed efficient performance time out first last line wait block happen change index
    range
    python java javascript typescript c r cpp rust go
"""
WEAK = frozenset(stem(word) for word in _VAGUE.split())
"""Words that stand in so many texts that sharing them, or one like them, tells nothing."""
_MEANS_ONLY_ITSELF = WEAK | GENERIC | frozenset(map(stem, ("injection", "hash", "secret")))
_ERROR_NAME = re.compile(
    r"\b[A-Z]\w{0,80}(?:Error|Exception)\b"
    r"|(?i:\bseg(?:mentation )?faults?\b|\bcore dumped\b|\bSIG(?:SEGV|ABRT|BUS|FPE)\b)"
)
_MOST_ERROR_NAMES = 5
_WHOLE_BULLET = 340
_SHORTEST = 24
_LONGEST = 420
_RELATED = 0.5
_FITS = 0.5
_PARTLY = 0.25
_NEAR = 0.5
"""Which share of a question an entry has to meet, so that each of its sentences may be quoted."""
_VERY_NEAR = 0.7
"""From this share on, an entry is near even if its title shares no word."""
_ENOUGH_WORDS = 2
_NEAREST = 0.25
"""Which share of a question a passage has to meet to be the nearest, if its title meets none."""
_MOST_CODE_LINES = 30
_ECHOED = 90

_PRACTICE_LABEL = re.compile(r"^what to watch|^good practice|^pitfalls?|^watch out", re.I)
_NEXT_LABEL = re.compile(r"^next steps?", re.I)
_LABEL = re.compile(r"^(?:what to watch|next steps?|good practice|pitfalls?)[.:]\s*", re.I)
_PRACTICE = re.compile(
    r"\b(?:always|never|avoid|do not|don't|must|instead of|rather than|careful|safer?|secure|prefer"
    r"|make sure|remember|limit|only if|otherwise)\b",
    re.I,
)
_GRADING = re.compile(
    r"^(?:grading|graded|due|deadline|hand in|submit)\b|\d\s?%.{0,60}\d\s?%", re.I
)
_ASKED_SECTION = re.compile(r"\bbrief\b|\bcriteria\b|\bplan\b")
_NUMBER_MARK = re.compile(r"\[(\d{1,3})\]")
_INJECTED = re.compile(
    (
        r"\b(?:ignore|disregard|forget)\b.{0,30}\b(?:instructions?|prompt|rules|above)\b"
        r"|\bsystem prompt\b"
    ),
    re.I,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, a short bullet or a code fence of one numbered entry."""

    number: int
    title: str
    role: Role
    text: str
    words: frozenset[str]
    language: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A unit and how well it answers."""

    unit: Unit
    score: float
    strength: float
    """Which share of the question's own weight it meets."""


def units(entries: Sequence[Entry]) -> list[Unit]:
    """Take the passages of a prompt apart; a passage that was found twice counts once."""
    found: list[Unit] = []
    said: set[str] = set()
    for entry in entries:
        for item in outline(entry.passage):
            for role, text in _pieces(item, entry.section):
                if text not in said:
                    said.add(text)
                    words = frozenset(terms(text))
                    found.append(Unit(entry.number, entry.title, role, text, words, item.language))
    return found


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for."""

    asked: Mapping[str, float]
    """The stems of the question and what each of them counts."""
    around: Mapping[str, float] = field(default_factory=dict)
    """Stems of the task and the assignment, and what each of them counts."""
    errors: tuple[str, ...] = ()
    """Names of errors in the question, in lower case."""

    @property
    def telling(self) -> frozenset[str]:
        """The words that say what the question is about; all of them if none does."""
        words = frozenset(self.asked)
        return words - WEAK - GENERIC or words - GENERIC or words

    def weigh(self, pool: Sequence[Unit]) -> dict[str, float]:
        """Return what each word of the question counts, after how rare it is."""
        rare = rarity([unit.words for unit in pool])
        known = sorted(rare.values())
        unknown = known[len(known) // 2] if known else 1.0
        return {term: rare.get(term, unknown) * count for term, count in self.asked.items()}


def error_names(question: str) -> tuple[str, ...]:
    """Return the names of errors that a question holds, in lower case."""
    names = (found[0].lower() for found in _ERROR_NAME.finditer(question))
    return tuple(dict.fromkeys(names))[:_MOST_ERROR_NAMES]


def search(pool: Sequence[Unit], query: Query) -> list[Found]:
    """Rank what answers a question; what meets too little of it is left out.

    A unit has to hold a telling word of the question. Beyond that it meets a question by words of
    its own, and a little by those of the entry it stands in.
    """
    weights, telling = query.weigh(pool), query.telling
    total = sum(weights.values())
    if not total:
        return []
    rare = rarity([unit.words for unit in pool])
    nearness = _nearness(pool, weights, telling)
    found = []
    for unit in pool:
        met, count = _met(weights, unit.words, telling)
        is_named = any(name in unit.text.lower() for name in query.errors)
        if not (is_named or _tells(unit, query, count)):
            continue
        strength = met / total
        is_near = nearness[unit.number] >= _NEAR and unit.role not in _NOT_BY_NEARNESS
        fits = strength >= _FITS and count >= (_ENOUGH_WORDS if unit.role == "code" else 1)
        if is_named or fits or (count >= _ENOUGH_WORDS and strength >= _PARTLY) or is_near:
            extra = sum(
                rare[term] * weight for term, weight in query.around.items() if term in unit.words
            )
            own = (met + extra) / (len(unit.words) + 8) ** 0.5
            score = (own + nearness[unit.number]) * _BY_ROLE.get(unit.role, 1.0)
            found.append(Found(unit, score, strength))
    return sorted(found, key=lambda one: (-one.score, one.unit.number, one.unit.text))


def _tells(unit: Unit, query: Query, count: int) -> bool:
    """Say whether a unit holds enough that a question is about.

    Code needs the very word, as synonyms stand in nearly every header. What does not name the
    error that was asked about needs two words besides the name.
    """
    if unit.role == "next":
        return True
    shared = query.telling & unit.words
    if query.errors:
        return len(shared.difference(WEAK, terms(" ".join(query.errors)))) >= _ENOUGH_WORDS
    return bool(shared) if unit.role == "code" else count > 0


def _nearness(
    pool: Sequence[Unit], weights: Mapping[str, float], telling: frozenset[str]
) -> dict[int, float]:
    """Return which share of a question each entry meets; 0.0 where that may be chance."""
    total = sum(weights.values())
    titles = {unit.number: frozenset(terms(unit.title)) for unit in pool}
    entries = {number: set(words) for number, words in titles.items()}
    for unit in pool:
        entries[unit.number] |= unit.words
    near = {}
    for number, words in entries.items():
        met, count = _met(weights, words, telling)
        is_telling = _met(weights, titles[number], telling)[1] > 0 or met / total >= _VERY_NEAR
        near[number] = met / total if count >= _ENOUGH_WORDS and is_telling else 0.0
    return near


def nearest(
    entries: Sequence[Entry], pool: Sequence[Unit], query: Query
) -> tuple[Entry, Unit | None] | None:
    """Return the entry that shares most with a question that nothing answers, and a unit of it.

    Its title has to hold a telling word, or its text a telling word and much of the question.
    """
    weights, telling = query.weigh(pool), query.telling
    total = sum(weights.values())
    about = {term: weights[term] for term in telling}
    best: tuple[Entry, Unit | None] | None = None
    most = 0.0
    for entry in entries:
        said = [one for one in pool if one.number == entry.number and one.role not in _NOT_SAID]
        title = frozenset(terms(entry.title))
        words = title.union(*(unit.words for unit in said))
        met = _met(weights, words, telling)[0]
        is_about = bool(telling & title)
        is_met = bool(telling & words) and met >= _NEAREST * total and not query.errors
        fitting = sorted(said, key=lambda unit: -_met(about, unit.words, telling)[0])
        shared = _met(about, fitting[0].words, telling)[0] if fitting else 0.0
        score = met + shared + is_about * total
        if (is_about or is_met) and score > most:
            most = score
            best = entry, next(iter(fitting), None)
    return best


def _met(
    weights: Mapping[str, float], words: AbstractSet[str], telling: frozenset[str]
) -> tuple[float, int]:
    """Return what a text meets of a question: the weight, and how many telling words."""
    met, count = 0.0, 0
    for term, weight in weights.items():
        if term in words:
            met += weight
            count += term in telling
        elif term not in _MEANS_ONLY_ITSELF and (related(term) - WEAK) & words:
            met += weight * _RELATED
            count += 1
    return met, count


def quote(unit: Unit) -> str:
    """Write a unit as a quotation with its number right behind it."""
    return f"“{unmarked(unit.text)}” [{unit.number}]"


def unmarked(text: str) -> str:
    """Take the meaning of a citation off numbers in brackets that stand in a text."""
    return _NUMBER_MARK.sub(r"(\1)", clean(text))


def echo(text: str, limit: int = _ECHOED) -> str:
    """Shorten a text of the student so that it may stand in quotation marks."""
    return cut(unmarked(text).replace("`", "").replace("“", "").replace("”", ""), limit)


def is_order_to_a_model(text: str) -> bool:
    """Say whether a text talks to a model rather than to a reader."""
    return bool(_INJECTED.search(text))


def excerpt(unit: Unit, words: frozenset[str]) -> str:
    """Return a code unit, or of a long one the parts that share most with the question."""
    lines = unit.text.rstrip().splitlines()
    if len(lines) <= _MOST_CODE_LINES:
        return "\n".join(lines)
    parts = _parts(lines)
    near = frozenset(other for word in words - GENERIC for other in related(word))

    def shared(index: int) -> tuple[float, int]:
        found = set(terms(" ".join(parts[index])))
        return len(found & words) + 0.5 * len(found & near), -index

    best = max(range(len(parts)), key=shared)
    first = last = best
    size = len(parts[best])
    while last + 1 < len(parts) and size + len(parts[last + 1]) <= _MOST_CODE_LINES:
        last += 1
        size += len(parts[last])
    while first and size + len(parts[first - 1]) <= _MOST_CODE_LINES:
        first -= 1
        size += len(parts[first])
    chosen = [line for part in parts[first : last + 1] for line in part]
    return "\n".join(chosen[: 2 * _MOST_CODE_LINES]).strip("\n")


def _parts(lines: Sequence[str]) -> list[list[str]]:
    """Split code where a blank line is followed by a line at the margin."""
    parts: list[list[str]] = [[]]
    for index, line in enumerate(lines):
        if parts[-1] and not lines[index - 1].strip() and line[:1].strip() and line[0] not in "})]":
            parts.append([])
        parts[-1].append(line)
    return parts


def _pieces(item: Item, section: str) -> list[tuple[Role, str]]:
    if item.kind == "code":
        is_code = bool(item.text.strip()) and ("\n" in item.text or bool(item.language))
        return [("code", item.text)] if is_code else []
    if item.kind not in {"paragraph", "bullet", "number"}:
        return []
    role = _role(item, section)
    text = _LABEL.sub("", item.text)
    whole = item.kind != "paragraph" and len(text) <= _WHOLE_BULLET
    pieces = [text] if whole else sentences(text)
    return [(role, piece) for piece in pieces if _is_quotable(piece)]


def _is_quotable(text: str) -> bool:
    is_whole = not text[:1].islower() and text[-1:] not in ",;:"
    fits = _SHORTEST <= len(text) <= _LONGEST
    return fits and is_whole and not is_order_to_a_model(text) and not _GRADING.search(text)


def _role(item: Item, section: str) -> Role:
    if _NEXT_LABEL.match(item.text):
        return "next"
    if "risk" in section or _PRACTICE_LABEL.match(item.text):
        return "practice"
    return "asked" if _ASKED_SECTION.search(section) else "text"


def is_practice(unit: Unit) -> bool:
    """Say whether a unit tells what to do or to avoid."""
    return unit.role == "practice" or (unit.role == "text" and bool(_PRACTICE.search(unit.text)))
