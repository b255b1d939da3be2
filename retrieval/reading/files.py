"""Find the files that may be documents, and read them within a limit.

It knows names, folders and bytes; it knows nothing of what a file says.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from unicodedata import normalize

from retrieval.errors import DocumentError

SUPPORTED = (".docx", ".ipynb", ".jsonl", ".md", ".pdf", ".txt")
"""The suffixes of the files that are read, in a folder, in an archive or alone."""

_STEM_LIMIT = 200
_HIDDEN = (".", "~$", "__MACOSX")
"""How the names begin of what systems and word processors leave beside the files."""


class File(NamedTuple):
    """One file that can be read, wherever it lies."""

    place: str
    """The path on this machine, for error messages."""
    name: str
    """The path below the folder that was added, for readers."""
    root: str
    """The name of that folder: files of the same name in two folders are two documents."""
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    """Opens it; what goes wrong while it is open is a DocumentError."""

    @property
    def suffix(self) -> str:
        """The end of its name that says the format, in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """Its name without folders and suffix, cut to what a title may have."""
        return PurePosixPath(self.name).stem[:_STEM_LIMIT]

    def read(self, limit: int) -> bytes:
        """Return what is in it.

        Raises:
            DocumentError: it cannot be read, or holds more than `limit` bytes.
        """
        with self.open() as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise DocumentError(
                f"{self.place!r} is larger than {limit // 1_000_000} MB. "
                "Split it into several files."
            )
        return data

    def lines(self, limit: int) -> Iterator[tuple[int, bytes]]:
        """Yield its lines that are not blank, with their numbers.

        Raises:
            DocumentError: it cannot be read, or a line holds more than `limit` bytes.
        """
        number = 0
        with self.open() as stream:
            while line := stream.readline(limit + 1):
                number += 1
                if len(line) > limit:
                    raise DocumentError(
                        f"'{self.place} line {number}' is larger than {limit // 1_000_000} MB. "
                        "Split its text."
                    )
                if line.strip():
                    yield number, line


def file_at(path: Path) -> File:
    """Return the file at a path; the folder it lies in is its root."""
    return _file(path, path.name, path.resolve().parent.name)


def files_in(folder: Path) -> Iterator[File]:
    """Yield the files of a folder that may be documents, in sorted order.

    Raises:
        DocumentError: there is none, or two have the same name in different spellings.
    """
    found = [path for path in sorted(folder.rglob("*")) if _is_found(path, folder)]
    if not found:
        raise nothing_in(folder)
    root = folder.resolve().name
    files: dict[str, File] = {}
    for path in found:
        file = _file(path, path.relative_to(folder).as_posix(), root)
        if file.name in files:
            raise DocumentError(
                f"{str(folder)!r} holds {file.name!r} twice, spelled in two ways. "
                "Rename or remove one of the files."
            )
        files[file.name] = file
    yield from files.values()


def is_wanted(name: PurePosixPath) -> bool:
    """Whether a file of this name may be a document: no README, nothing hidden."""
    return (
        name.suffix.lower() in SUPPORTED and name.stem.lower() != "readme" and not is_hidden(name)
    )


def is_hidden(name: PurePosixPath) -> bool:
    """Whether a file, or a folder it lies in, was made by a system and is no one's work."""
    return any(part.startswith(_HIDDEN) for part in name.parts)


def nothing_in(path: Path) -> DocumentError:
    """Return the error for a folder or an archive without documents."""
    return DocumentError(f"{str(path)!r} holds no document. Add files of: {', '.join(SUPPORTED)}.")


def unreadable(place: str, reason: str | None) -> DocumentError:
    """Return the error for a file that the system does not hand out."""
    return DocumentError(f"{place!r} cannot be read ({reason}). Check the file and its rights.")


def shown(name: str) -> str:
    """Spell a file name the same on every file system; bytes that are no text are spelled out."""
    return normalize("NFC", name.encode("utf-8", "backslashreplace").decode())


def _is_found(path: Path, folder: Path) -> bool:
    name = PurePosixPath(path.relative_to(folder).as_posix())
    return is_wanted(name) and not path.is_symlink() and path.is_file()


def _file(path: Path, name: str, root: str) -> File:
    return File(str(path), shown(name), shown(root), partial(_open, path))


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise unreadable(str(path), error.strerror) from error
