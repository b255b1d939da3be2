"""Passages that answer a question: sentences and code chosen by the rare words they share with it.

It knows how to weigh and quote. It does not know what an answer looks like.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.models.offline.reading.blocks import Entry
from agent.models.offline.reading.outline import Item, outline
from agent.models.offline.reading.words import clean, rarity, related, sentences, stem, terms

Role = Literal["text", "practice", "next", "asked", "code"]
_BY_ROLE: Mapping[str, float] = {"asked": 0.6, "practice": 1.1}
_NOT_BY_NEARNESS = frozenset(("asked", "code"))
_COMMON = """
    difference between implement work end example code best way question problem assignment
    project program task write create build add better good know understand explain mean point
    learn start begin handle correct properly right wrong issue idea approach solution
    function file data value number result compute computation line list name type run call
    return set
"""
GENERIC = frozenset(stem(word) for word in _COMMON.split())
"""Words that nearly every question of programming holds; they count little."""
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
_MOST_CODE_LINES = 30

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


def search(
    pool: Sequence[Unit], asked: Mapping[str, float], around: Mapping[str, float]
) -> list[Found]:
    """Rank what answers a question; what meets too little of it is left out.

    A unit meets a question by words of its own, and a little by those of the entry it stands in,
    so that the explanation beside a fitting sentence is found too.

    Args:
        pool: What may be quoted.
        asked: The stems of the question and what each of them counts.
        around: Stems of the conversation and the task, and what each of them counts.

    """
    rare = rarity([unit.words for unit in pool])
    known = sorted(rare.values())
    unknown = known[len(known) // 2] if known else 1.0
    weights = {term: rare.get(term, unknown) * count for term, count in asked.items()}
    total = sum(weights.values())
    if not total:
        return []
    entries: dict[int, frozenset[str]] = {}
    for unit in pool:
        so_far = entries.get(unit.number) or frozenset(terms(unit.title))
        entries[unit.number] = so_far | unit.words
    nearness: dict[int, float] = {}
    titles = {unit.number: frozenset(terms(unit.title)) for unit in pool}
    for number, words in entries.items():
        met, count = _met(weights, words)
        is_named = _met(weights, titles[number])[1] > 0
        is_telling = is_named or met / total >= _VERY_NEAR
        nearness[number] = met / total if count >= _ENOUGH_WORDS and is_telling else 0.0
    found = []
    for unit in pool:
        met, count = _met(weights, unit.words)
        strength = met / total
        is_near = nearness[unit.number] >= _NEAR and unit.role not in _NOT_BY_NEARNESS
        fits = strength >= _FITS and count >= (_ENOUGH_WORDS if unit.role == "code" else 1)
        if fits or (count >= _ENOUGH_WORDS and strength >= _PARTLY) or is_near:
            extra = sum(
                rare[term] * weight for term, weight in around.items() if term in unit.words
            )
            own = (met + extra) / (len(unit.words) + 8) ** 0.5
            score = (own + nearness[unit.number]) * _BY_ROLE.get(unit.role, 1.0)
            found.append(Found(unit, score, strength))
    return sorted(found, key=lambda one: (-one.score, one.unit.number, one.unit.text))


def _met(weights: Mapping[str, float], words: frozenset[str]) -> tuple[float, int]:
    """Return what a text meets of a question: the weight, and how many telling words."""
    met, count = 0.0, 0
    for term, weight in weights.items():
        if term in words:
            met += weight
            count += term not in GENERIC
        elif related(term) & words:
            met += weight * _RELATED
            count += 1
    return met, count


def quote(unit: Unit) -> str:
    """Write a unit as a quotation with its number right behind it."""
    return f"“{unmarked(unit.text)}” [{unit.number}]"


def unmarked(text: str) -> str:
    """Take the meaning of a citation off numbers in brackets that stand in a text."""
    return _NUMBER_MARK.sub(r"(\1)", clean(text))


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
    return fits and is_whole and not _INJECTED.search(text) and not _GRADING.search(text)


def _role(item: Item, section: str) -> Role:
    if _NEXT_LABEL.match(item.text):
        return "next"
    if "risk" in section or _PRACTICE_LABEL.match(item.text):
        return "practice"
    return "asked" if _ASKED_SECTION.search(section) else "text"


def is_practice(unit: Unit) -> bool:
    """Say whether a unit tells what to do or to avoid."""
    return unit.role == "practice" or (unit.role == "text" and bool(_PRACTICE.search(unit.text)))
