"""The redactor: every detector over one reading copy, once per distinct text.

It opens nothing and keeps no text: what it remembers is keyed by digest and holds the redacted
copy alone.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from threading import Lock

from agent.privacy.redaction.addresses import find_addresses
from agent.privacy.redaction.cues import find_cued
from agent.privacy.redaction.folding import fold
from agent.privacy.redaction.keys import find_secrets
from agent.privacy.redaction.names import find_headings, find_names
from agent.privacy.redaction.patterns import find_emails, find_numbers
from agent.privacy.redaction.people import Enrolment, Roster
from agent.privacy.redaction.placeholders import PLACEHOLDER, Placeholders
from agent.privacy.redaction.prose import Layout
from agent.privacy.redaction.spans import Find, PiiType, Span, settle
from agent.privacy.redaction.words import AMBIGUOUS, SHARED_ACCOUNTS

_REMEMBERED = 256
_LEAST_ID = 5
_LEAST_USERNAME = 3


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its personal data."""

    text: str
    spans: tuple[Span, ...]
    """Where the data stood in the text that came in."""
    names: tuple[str, ...]
    """The placeholder of each span."""


class Redactor:
    """Redacts the texts of one person's conversation."""

    def __init__(
        self,
        enrolment: Enrolment | None = None,
        roster: Roster | Sequence[str] = (),
        placeholders: Placeholders | None = None,
    ) -> None:
        self.placeholders = placeholders if placeholders is not None else Placeholders()
        self._roster = roster if isinstance(roster, Roster) else Roster(roster)
        self._own = _Own(enrolment) if enrolment is not None else None
        self._memory: OrderedDict[bytes, Redacted] = OrderedDict()
        self._lock = Lock()

    def redact(self, text: str) -> Redacted:
        """Replace personal data by placeholders; the same text is read once."""
        digest = _digest(text).digest()
        with self._lock:
            known = self._memory.get(digest)
            if known is not None:
                self._memory.move_to_end(digest)
                return known
        made = self._redact(text)
        with self._lock:
            self._memory[digest] = made
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)
        return made

    def redact_or_hash(self, text: str) -> str:
        """Return the redacted text, or the text's SHA-256 where redacting fails."""
        try:
            return self.redact(text).text
        except Exception:  # noqa: BLE001 - whatever fails, the text must not get past this line
            return f"sha256:{_digest(text).hexdigest()}"

    def restore(self, text: str) -> str:
        """Put the values of this conversation back into an answer."""
        return self.placeholders.restore(text)

    def _redact(self, text: str) -> Redacted:
        self.placeholders.reserve(text)
        folded = fold(text)
        pieces: list[str] = []
        spans: list[Span] = []
        names: list[str] = []
        done = 0
        for find in settle(self._finds(folded.text)):
            start, end = folded.original(find.start, find.end)
            kind = find.type
            if kind == "KEPT":
                continue
            name = self.placeholders.name(kind, text[start:end], find.person)
            pieces += (text[done:start], name)
            spans.append(Span(start, end, kind))
            names.append(name)
            done = end
        pieces.append(text[done:])
        return Redacted("".join(pieces), tuple(spans), tuple(names))

    def _finds(self, text: str) -> Iterator[Find]:
        """Yield every claim, the surest first."""
        prose = Layout(text).prose
        for match in PLACEHOLDER.finditer(text):
            yield Find(*match.span(), "KEPT")
        if self._own is not None:
            yield from self._own.find(text)
        yield from find_secrets(text)
        emails = list(find_emails(text))
        yield from emails
        numbers = list(find_numbers(text, prose))
        yield from numbers
        yield from find_cued(text)
        addresses = list(find_addresses(text, prose))
        yield from addresses
        if self._own is not None:
            yield from self._own.names.find(text)
        yield from self._roster.find(text)
        anchors = [find.start for find in (*emails, *numbers, *addresses)]
        cued = [*find_names(text, prose), *find_headings(text, anchors, prose)]
        yield from cued
        if cued:
            yield from Roster({text[find.start : find.end] for find in cued}).find(text)
        if emails:
            named = Roster(_names_in(text[find.start : find.end] for find in emails), singles=False)
            yield from named.find(text)


class _Own:
    """The sender's record: the values word for word, the name in every spelling."""

    def __init__(self, enrolment: Enrolment) -> None:
        self.names = Roster(own=(enrolment.first, enrolment.last))
        self._kinds: dict[str, PiiType] = {}
        anywhere: list[str] = []
        placed: list[str] = []
        email = fold(enrolment.email).text.lower()
        username = fold(enrolment.username).text.lower()
        student_id = fold(enrolment.student_id).text.lower()
        values: tuple[tuple[str, PiiType], ...] = (
            (email, "EMAIL"),
            (student_id, "STUDENT_ID"),
            (student_id.lstrip(ascii_lowercase), "STUDENT_ID"),
            (username, "USERNAME"),
            (email.partition("@")[0], "USERNAME"),
        )
        for value, kind in values:
            if not value or value in self._kinds:
                continue
            if kind == "STUDENT_ID" and len(value) < _LEAST_ID:
                continue
            self._kinds[value] = kind
            common = value in AMBIGUOUS or value in SHARED_ACCOUNTS or len(value) < _LEAST_USERNAME
            (placed if kind == "USERNAME" and common else anywhere).append(re.escape(value))
        patterns = [rf"(?<![^\W_])(?:{'|'.join(anywhere)})(?![^\W_])"] if anywhere else []
        if placed:
            patterns.append(
                r"(?:(?<=[/\\@~])|(?<=user )|(?<=user=)"
                rf"|(?<=username ))(?:{'|'.join(placed)})(?![^\W_])"
            )
        self._pattern = re.compile("|".join(patterns), re.I) if patterns else None

    def find(self, text: str) -> Iterator[Find]:
        """Yield the values of the record."""
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                yield Find(*match.span(), self._kinds.get(match[0].lower(), "USERNAME"))


def _names_in(emails: Iterator[str]) -> Iterator[str]:
    """Yield the names that addresses such as `jean.baptiste@` are made of."""
    for email in emails:
        parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", email.partition("@")[0])
        if len(parts) > 1 and all(len(part) > 1 for part in parts):
            yield " ".join(parts)


def _digest(text: str) -> "hashlib._Hash":
    return hashlib.sha256(text.encode("utf-8", "surrogatepass"))
