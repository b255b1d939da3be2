"""Past assignments and course files as documents.

It knows what is known about a text and where it belongs; the formats, the archives and
the fields of a header have modules of their own. It knows nothing of chunks or the index.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from retrieval.errors import DocumentError
from retrieval.reading.archives import ARCHIVE, files_in_archive
from retrieval.reading.files import SUPPORTED, File, file_at, files_in
from retrieval.reading.formats import Text, texts_of
from retrieval.reading.records import (
    ASSIGNMENT,
    MATERIAL,
    field,
    is_text,
    kind_of,
    minutes_of,
    sharing_of,
)

_NAMESPACE = UUID("6f1a54d3-5a0c-4c0e-9a43-0f6f2d5f3b8e")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor or speaks to it, and says nothing to a reader."""
_BRIEF = re.compile(r"^##[ \t]+brief[ \t#]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One readable text and what is known about it; an unknown field is an empty string."""

    document_id: str
    """The same for the same course and file name (or JSON Lines id) on every machine."""
    title: str
    text: str
    """The body without its header, with `\\n` line ends."""
    name: str
    """The file as a reader knows it, relative to the folder that was read."""
    language: str = ""
    framework: str = ""
    topic: str = ""
    complexity: str = ""
    course: str = ""
    """The course whose members may see it; empty for everyone."""
    kind: str = MATERIAL
    """`assignment` or `material`, unless its header names another word."""
    term: str = ""
    """When it was set, such as `spring 2025`."""
    author: str = ""
    """A pseudonym of the student who wrote it; empty for the staff's own. The name is not kept."""
    consent: str = ""
    """With whom its author allowed in writing to share it: `course` or `public`."""
    actual_minutes: int | None = None
    """How long the work took."""
    is_past_assignment: bool = False
    """Whether its `##` headings are sections: Brief, Plan, Risks, Success criteria, Solution,
    Tests."""


def read_documents(path: Path, *, course: str = "") -> Iterator[Document]:
    """Read one file, or every supported file of a folder or zip archive in sorted order.

    In folders and archives, READMEs, hidden files, symbolic links, archives and other
    suffixes are skipped. A course that a file names itself wins over `course`.

    Raises:
        DocumentError: a file is missing, unsupported, too large, malformed or empty, or its
            author did not allow it to be shared so.
    """
    if not path.exists():
        raise DocumentError(f"{str(path)!r} does not exist. Check the path.")
    suffix = path.suffix.lower()
    if path.is_dir():
        files: Iterable[File] = files_in(path)
    elif suffix == ARCHIVE:
        files = files_in_archive(path)
    elif suffix in SUPPORTED:
        files = [file_at(path)]
    else:
        known = ", ".join((*SUPPORTED, ARCHIVE))
        raise DocumentError(f"{str(path)!r} is not supported. Use one of: {known}.")
    return (_document(file, text, course) for file in files for text in texts_of(file))


def document_id(key: str, *, course: str = "") -> str:
    """Return the id of a document by what stays the same about it: its place in its course.

    Args:
        key: The name of the folder that was added and the path below it, `labs/week1/a.md`; for
            a line of a jsonl file with `, ID` behind it.
        course: The course it belongs to; empty: shared.
    """
    return str(uuid5(_NAMESPACE, f"{course}\0{key}"))


def _document(file: File, found: Text, course: str) -> Document:
    header, place = found.header, found.place
    text = found.body.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        raise DocumentError(f"{place!r} is empty. Write some text into it, or leave it out.")
    if not is_text(text):
        raise DocumentError(f"{place!r} is not text (it holds NUL or broken characters). Clean it.")
    text = _CONTROL.sub("", text)
    course = field(header, "course", place) or course
    sharing = sharing_of(header, course, place)
    named = kind_of(header, place)
    looks = found.is_past_assignment or _BRIEF.search(text) is not None
    is_past_assignment = named == ASSIGNMENT or (looks and named != MATERIAL)
    return Document(
        document_id=document_id(f"{file.root}/{found.name}", course=course),
        title=_CONTROL.sub("", field(header, "title", place) or found.name),
        text=text,
        name=_CONTROL.sub("", found.name),
        language=field(header, "language", place).lower(),
        framework=field(header, "framework", place).lower(),
        topic=field(header, "topic", place),
        complexity=field(header, "complexity", place).lower(),
        course=course,
        kind=named or (ASSIGNMENT if is_past_assignment else MATERIAL),
        term=field(header, "term", place),
        author=sharing.author,
        consent=sharing.consent,
        actual_minutes=minutes_of(header, place),
        is_past_assignment=is_past_assignment,
    )
