"""The people of the records: the sender and the course, in every way a name is written.

A name is looked up word by word in one index, so a course of a thousand costs what a course of
ten costs. It knows the records and nothing of anybody else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.privacy.redaction.folding import fold
from agent.privacy.redaction.spans import Find
from agent.privacy.redaction.spellings import (
    LEAST_HANDLE,
    PARTICLES,
    WORD,
    atoms,
    is_caseless,
    spellings,
    split_name,
    ways_to_write,
)
from agent.privacy.redaction.words import AMBIGUOUS, EPONYM, LANGUAGES, words_of

_GAP = re.compile(r"[ \t.,_'*#>/-]{0,4}(?:\r?\n[ \t*#>/]{0,4})?")
_LONGEST_GAP = 8
_HUMP = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MOST_HUMPS = 8
_LEAST_UNQUOTED = 3

_CUE_BEFORE = re.compile(
    r"(?:\b(?:i'?m|i am|name(?: is|'s|:)?|call(?:ed)? me|this is|it'?s me,?|mr|mrs|ms|dr"
    r"|prof(?:essor)?|ta"
    r"|tutor|teacher|instructor|lecturer|partner|team ?mates?|class ?mates?|room ?mate|friends?"
    r"|brother|sister|cousin|colleague|student|author|by|regards|cheers|sincerely|best|greetings"
    r"|me and|and me|ask(?:ed)?|told|tell|dear|hi|hello|hey|met|emailed|signed)[.,:!]?\s{1,3}"
    r"|\b(?:thanks?|thank you|thx|ty|regards|cheers|best)\b[^\w\n]{0,4}\s{1,3}|@)\Z",
    re.I,
)
_LONGEST_CUE = 20
_CUE_LAST = words_of("""
im am is name name's me mr mrs ms dr prof professor ta tutor teacher instructor lecturer partner
mate mates teammate teammates classmate classmates roommate friend friends brother sister cousin
colleague student author by regards cheers sincerely best greetings and ask asked told tell dear
hi hello hey met emailed signed thanks thank you thx ty
""")
"""The last words of those cues: one look instead of a search at every common word."""
_CUE_AFTER = re.compile(
    r"\s{1,3}(?:and (?:i|me)\b|said\b|told\b|wrote\b|sent\b|asked\b|shared\b|helped\b|thinks\b"
    r"|suggested\b|explained\b|showed\b|gave me\b|lent\b|copied\b|did (?:the|his|her|their)\b"
    r"|is my\b|was my\b|here\b)|'s? (?:code|part|half|laptop|solution|version|branch|notes|repo"
    r"|repository|account|email|e-mail|number|phone|name|group)\b",
    re.I,
)
_CLOSES = re.compile(r"\s*(?:\Z|\n|[,.!?;)]|(?:and|from|here|in|with)\b)")
_SIGNED = re.compile(r"(?:\A|\n)[ \t]*[-~*]{0,3}[ \t]*\Z")
_ENDS = re.compile(r"[ \t]*[.!]?[ \t]*\s*\Z")
_EPONYM_AFTER = re.compile(rf"(?:'s?)?[ \n](?:{EPONYM})\b|-[A-Z]|'s? (?:{EPONYM})\b", re.I)
_HYPHENATED = re.compile(r"[A-Za-z]-\Z")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the course's register says of the sender."""

    first: str = ""
    last: str = ""
    email: str = ""
    student_id: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write one person: the words after the first, and what they are."""

    rest: tuple[str, ...]
    person: str
    single: bool
    own: bool
    turned: bool = False
    """Last name first: only then may a comma stand between."""


class Roster:
    """The names of a course, compiled once and shared by every conversation of it."""

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        own: tuple[str, str] | None = None,
        singles: bool = True,
    ) -> None:
        self._singles = singles
        self._index: dict[str, dict[str, list[_Form]]] = {}
        self._longest = 0
        self._literal: dict[str, str] = {}
        for name in dict.fromkeys(names):
            first, last = split_name(name)
            self._add(first, last, own=False)
        if own is not None:
            self._add(*own, own=True)
        literal = "|".join(map(re.escape, sorted(self._literal, key=len, reverse=True)))
        self._literals = re.compile(literal) if literal else None

    def find(self, text: str) -> Iterator[Find]:
        """Yield the people of this roster in a reading copy."""
        if self._literals is not None:
            for match in self._literals.finditer(text):
                yield Find(*match.span(), "PERSON", self._literal[match[0]])
        if not self._index:
            return
        past = 0
        for match in WORD.finditer(text):
            if match.start() < past:
                continue
            word = match[0]
            forms = self._index.get(word.lower())
            if forms is not None:
                found = _match(text, match, forms, self._longest)
            elif len(word) >= LEAST_HANDLE and not word.islower() and not word.istitle():
                found = self._glued(match)
            else:
                continue
            if found is not None:
                past = found.end
                yield found

    def _glued(self, match: re.Match[str]) -> Find | None:
        """Find `ChloeDupont` in `ChloeDupontLab3`."""
        humps = list(_HUMP.finditer(match[0]))
        for left, right in pairwise(humps[:_MOST_HUMPS]):
            for form in self._index.get((left[0] + right[0]).lower(), {}).get("", ()):
                if not form.single:
                    start = match.start()
                    return Find(start + left.start(), start + right.end(), "PERSON", form.person)
        return None

    def _add(self, first: str, last: str, *, own: bool) -> None:
        person = " ".join(atoms(f"{first} {last}"))
        if is_caseless(first + last):
            for part in {first + last, last + first, f"{first} {last}".strip()}:
                self._literal.setdefault(fold(part).text, person)
            return
        for spelling in dict.fromkeys(spellings(first, last)):
            given, family = map(atoms, spelling)
            for words, single, turned in ways_to_write(given, family):
                if single and not self._singles:
                    continue
                self._put(words, _Form(words[1:], person, single, own, turned))

    def _put(self, words: tuple[str, ...], form: _Form) -> None:
        second = words[1] if len(words) > 1 else ""
        forms = self._index.setdefault(words[0], {}).setdefault(second, [])
        self._longest = max(self._longest, len(words) + 1)
        for place, known in enumerate(forms):
            if known.rest == form.rest:
                if known.person != form.person and not form.own:
                    # Two people share the name: it stands for neither, and for itself.
                    forms[place] = _Form(form.rest, "", form.single, known.own, known.turned)
                elif form.own:
                    forms[place] = form
                return
        forms.append(form)


def _match(
    text: str, head: re.Match[str], forms: Mapping[str, Sequence[_Form]], longest: int
) -> Find | None:
    words = [head]
    # The next word may be far away: only a bounded piece is read.
    for match in WORD.finditer(text, head.end(), min(len(text), head.end() + 40 * longest)):
        gap = text[words[-1].end() : match.start()]
        if len(words) > longest or len(gap) > _LONGEST_GAP or not _GAP.fullmatch(gap):
            break
        words.append(match)
        if len(words) == 2 and len(match[0]) > 1 and match[0].lower() not in forms:  # noqa: PLR2004 - the second word
            break
    seconds = dict.fromkeys((*(word[0].lower() for word in words[1:3]), ""))
    possible = [form for second in seconds for form in forms.get(second, ())]
    possible.sort(key=lambda form: -len(form.rest))
    for form in possible:
        end = _reach(text, words, form)
        if end is None:
            continue
        start = head.start()
        if form.single and not _is_person(text, start, end, own=form.own):
            continue
        if not form.single and not form.own and not _is_full(text, start, end):
            continue
        person = form.person or text[start:end].lower()
        return Find(start, end, "PERSON", person)
    return None


def _reach(text: str, words: Sequence[re.Match[str]], form: _Form) -> int | None:
    """Return where a form ends if it stands here; one middle initial may be passed over."""
    place = 1
    for wanted in form.rest:
        if place < len(words) and len(words[place][0]) == 1 and len(wanted) > 1 and place == 1:
            place += 1
        if place >= len(words) or words[place][0].lower() != wanted:
            return None
        gap = text[words[place - 1].end() : words[place].start()]
        if ("," in gap and not form.turned) or (
            re.search(r"\.\s", gap) and len(words[place - 1][0]) > 1
        ):
            return None
        place += 1
    end = words[place - 1].end()
    initial = form.turned and len(form.rest[-1]) == 1
    return end + 1 if initial and text[end : end + 1] == "." else end


def _is_full(text: str, start: int, end: int) -> bool:
    """Tell `Will Turner` and `chloe dupont` from `will turner` and `a lin`."""
    words = WORD.findall(text[start:end])
    capitals = [word[0].isupper() for word in words if word.lower() not in PARTICLES]
    if all(capitals):
        return True
    if any(len(word) == 1 for word in words):
        return False
    known = [
        word for word in words if word.lower() not in AMBIGUOUS and len(word) >= _LEAST_UNQUOTED
    ]
    return bool(known) or _has_cue(text, start, end)


def _is_person(text: str, start: int, end: int, *, own: bool) -> bool:
    """Tell whether one name alone is somebody here: `Rose` the assistant, not the flower."""
    name = text[start:end]
    word = re.sub(r"\W", "", name).lower()
    plain = word not in AMBIGUOUS and len(word) >= _LEAST_UNQUOTED
    if plain and (name[0].isupper() or own):
        eponym = _EPONYM_AFTER.match(text, end) or _HYPHENATED.search(
            text, max(0, start - 2), start
        )
        return not eponym or (own and not name[0].isupper())
    return _has_cue(text, start, end)


def _has_cue(text: str, start: int, end: int) -> bool:
    """Tell whether the words around a name speak of a person."""
    name = text[start:end]
    capital = name[0].isupper()
    signed = _SIGNED.search(text, max(0, start - 8), start) and _ENDS.match(text, end)
    if signed and start > 0:
        return True
    last = text[max(0, start - 24) : start].lower().split()[-1:]
    cue = last and (last[0].strip(".,:!?-~*") in _CUE_LAST or last[0].endswith(("'m", "@")))
    before = _CUE_BEFORE.search(text, max(0, start - _LONGEST_CUE), start) if cue else None
    if before is not None and (capital or _CLOSES.match(text, end)):
        return True
    if not capital:
        return False
    if name.lower() not in LANGUAGES and _CUE_AFTER.match(text, end):
        return True
    return re.match(r" and (?:i|me)\b", text[end : end + 8], re.I) is not None
