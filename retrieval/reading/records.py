"""Read what a header says about a document, and compose the text of an exported record.

It knows fields and their rules; it knows nothing of files or formats.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from unicodedata import normalize

from retrieval.errors import DocumentError
from retrieval.reading.blocks import as_section

ASSIGNMENT = "assignment"
MATERIAL = "material"

_FIELD_LIMIT = 200
_MINUTES_LIMIT = 525_600
_PSEUDONYM = 16
_CONSENTS = ("course", "public")
_KIND = re.compile(r"[^\W_][\w-]{0,39}")
_PARTS = {
    "brief": "Brief",
    "plan": "Plan",
    "risks": "Risks",
    "success_criteria": "Success criteria",
    "solution": "Solution",
    "tests": "Tests",
}


class Sharing(NamedTuple):
    """Who wrote a document, under a pseudonym, and with whom it may be shared."""

    author: str
    consent: str


def parts_of(fields: Mapping[str, object], place: str) -> dict[str, str]:
    """Return the parts of an exported record, by the headings of their sections.

    Raises:
        DocumentError: a part is not text.
    """
    parts = {}
    for name, heading in _PARTS.items():
        part = fields.get(name)
        if part is not None and not isinstance(part, str):
            raise DocumentError(f"{place!r}: {name!r} is a {type(part).__name__}. Write one text.")
        if part and part.strip():
            parts[heading] = part
    return parts


def compose(parts: Mapping[str, str]) -> str:
    """Return the text of a past assignment that has these parts."""
    return "\n\n".join(f"## {heading}\n\n{as_section(part)}" for heading, part in parts.items())


def field(header: Mapping[str, object], key: str, place: str) -> str:
    """Return a short text of a header on one line; an empty string if there is none.

    Raises:
        DocumentError: it is something else than a short text.
    """
    value = header.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise DocumentError(
            f"{place!r}: {key!r} is a {type(value).__name__}. Write one short text."
        )
    text = " ".join(str(value).split())
    if len(text) > _FIELD_LIMIT or not is_text(text):
        raise DocumentError(
            f"{place!r}: {key!r} is not a short text. Write at most {_FIELD_LIMIT} characters."
        )
    return text


def kind_of(header: Mapping[str, object], place: str) -> str:
    """Return the word for what a document is; an empty string if its header names none.

    Raises:
        DocumentError: it is not a word.
    """
    kind = field(header, "kind", place).lower()
    if kind and not _KIND.fullmatch(kind):
        raise DocumentError(
            f"{place!r}: 'kind' is {kind!r:.60}. Write one word, such as {ASSIGNMENT!r}."
        )
    return kind


def minutes_of(header: Mapping[str, object], place: str) -> int | None:
    """Return how many minutes the work took, or None if that is unknown.

    Raises:
        DocumentError: it is not a whole number of minutes.
    """
    value = header.get("actual_minutes")
    if value is None or value == "":
        return None
    # A number may come as text from CSV, and as 90.0 from a column with gaps.
    text = str(value).strip().removesuffix(".0")
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        minutes = 0
    else:
        minutes = int(text)
    if not 0 < minutes <= _MINUTES_LIMIT:
        raise DocumentError(
            f"{place!r}: 'actual_minutes' is {value!r:.60}. "
            "Write the whole number of minutes that it took, such as 90."
        )
    return minutes


def sharing_of(header: Mapping[str, object], course: str, place: str) -> Sharing:
    """Return under which pseudonym a document stands, and what its author allowed.

    The author's name goes no further than this: the same name gives the same pseudonym, and
    no error quotes it.

    Raises:
        DocumentError: the author did not allow it, or not to those who would see it.
    """
    consent = field(header, "consent", place).lower()
    if consent and consent not in _CONSENTS:
        raise DocumentError(
            f"{place!r}: 'consent' is {consent!r:.60}. Write course or public, as the author "
            "allowed in writing, or leave it out."
        )
    name = field(header, "author", place) or field(header, "authors", place)
    if name and not consent:
        raise DocumentError(
            f"{place!r} names an author, but not what the author allowed in writing. "
            "Write consent: course or consent: public; without that, leave it out of the index. "
            "Documents of the staff name no author."
        )
    if consent == "course" and not course:
        raise DocumentError(
            f"{place!r} may be shown to its course only (consent: course), but everyone would "
            "see it. Name its course, with --course or in its header."
        )
    return Sharing(author_id(name) if name else "", consent)


def is_text(text: str) -> bool:
    """Whether a text can be stored and sent: no NUL, no half of a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def author_id(name: str) -> str:
    """Return the pseudonym that stands for an author; whoever has the names can work it out."""
    spelled = " ".join(normalize("NFC", name).casefold().split())
    return sha256(spelled.encode()).hexdigest()[:_PSEUDONYM]
