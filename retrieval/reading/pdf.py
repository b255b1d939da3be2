"""Read the text of a PDF, each page below a heading of its own.

It runs where reading may fail or cost too much: see `retrieval.reading.sandbox`.
"""

import io
import logging

from pypdf import PdfReader
from pypdf.errors import LimitReachedError

from retrieval.errors import DocumentError
from retrieval.reading.blocks import as_plain
from retrieval.reading.sandbox import Extract
from retrieval.reading.titles import given_title

PAGE_LIMIT = 300
"""Pages of a PDF; longer ones are books."""

_TEXT_LIMIT = 1_000_000
_JOINED = ("ff", "fi", "fl", "ffi", "ffl")
# A font draws some groups of letters as one sign, which nobody types into a search. TeX's
# fonts keep these signs, quotes and dashes where others have control characters.
_SIGNS: dict[int, str | None] = {
    **dict.fromkeys([*range(9), *range(14, 32), 127]),
    **dict(enumerate((*_JOINED, "st", "st"), start=0xFB00)),
    **dict(enumerate(_JOINED, start=0x1B)),
    **dict(zip(b"\x0b\x0c\x0e\x0f", ("ff", "fi", "ffi", "ffl"), strict=True)),
    **dict(zip(b"\x10\x11\x15\x16", '""--', strict=True)),
}


def read(data: bytes, place: str) -> Extract:
    """Return the title and the text of a PDF.

    Raises:
        DocumentError: it is encrypted, too long, or has no text.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise DocumentError(f"{place!r} is encrypted. Save it without a password.")
        return _extract(reader, place)
    except LimitReachedError as error:
        raise DocumentError(
            f"{place!r} unpacks to more than a text holds. Save it as text, or leave it out."
        ) from error


def _extract(reader: PdfReader, place: str) -> Extract:
    if len(reader.pages) > PAGE_LIMIT:
        raise DocumentError(
            f"{place!r} has {len(reader.pages)} pages, and at most {PAGE_LIMIT} are read. "
            "Split it into several files."
        )
    pages = []
    size = 0
    for number, page in enumerate(reader.pages, 1):
        text = _clean(page.extract_text())
        size += len(text.encode())
        if size > _TEXT_LIMIT:
            raise DocumentError(
                f"{place!r} holds more than 1 MB of text. Split it into several files."
            )
        if text:
            pages.append(f"## page {number}\n\n{text}")
    if not pages:
        raise DocumentError(
            f"{place!r} has no text: it may be scanned. Have its text recognised (OCR) first."
        )
    title = reader.metadata.title if reader.metadata else None
    return Extract(given_title(title or ""), "\n\n".join(pages))


def _clean(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode().translate(_SIGNS)
    lines = [line.rstrip() for line in whole.splitlines()]
    return as_plain("\n".join(lines).strip("\n"))
