"""Read the files of a zip archive where they lie: nothing is unpacked to disk.

It knows archives; it knows nothing of what the files in them say.
"""

import io
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from retrieval.errors import DocumentError
from retrieval.reading.files import File, is_hidden, is_wanted, nothing_in, shown, unreadable

ARCHIVE = ".zip"
"""The suffix of the archives that are read."""
UNPACKED_LIMIT = 100_000_000
"""Bytes that all files of an archive may have together."""
MEMBER_LIMIT = 2_000
"""Files and folders that an archive may hold."""
RATIO_LIMIT = 200
"""How many times its packed size a large file may have; text stays far below."""

_SMALL = 1_000_000
_NAME_LIMIT = 1_000
_DIRECTORY_LIMIT = 4_000_000
_ENCRYPTED = 0x1
_OUTSIDE = re.compile(r"\A\Z|\A/|\A[A-Za-z]:|(?:\A|/)\.\.(?:/|\Z)|[\x00-\x1f\x7f]")
_FAULTS = (BadZipFile, EOFError, NotImplementedError, ValueError, zlib.error)


def files_in_archive(path: Path) -> Iterator[File]:
    """Yield the files of an archive that may be documents, in sorted order.

    They are named as in the folder that the archive unpacks to: the one at its top if all
    files lie in it, else one of the archive's name. Links and archives in it are skipped.
    A file can be read until the next one is asked for.

    Raises:
        DocumentError: it is no archive, unsafe, too large, or holds no document.
    """
    place = str(path)
    with _opened(path) as archive:
        check_sizes(archive.infolist(), place)
        members = _visible(archive.infolist(), place)
        top = _top(members)
        wanted = sorted(name for name in members if is_wanted(name))
        if not wanted:
            raise nothing_in(path)
        for name in wanted:
            here = f"{place}/{name}"
            _check_method(members[name], here)
            reader = partial(_read, archive, members[name], here)
            yield File(here, str(name.relative_to(top)), top or shown(path.stem), reader)


def check_sizes(members: Sequence[ZipInfo], place: str) -> None:
    """Refuse an archive that would unpack to too much, before anything of it is unpacked.

    Raises:
        DocumentError: it holds too many files, too many bytes, or a file packed too well.
    """
    if len(members) > MEMBER_LIMIT:
        raise DocumentError(f"{place!r} holds more than {MEMBER_LIMIT:,} files. Split it.")
    if sum(member.file_size for member in members) > UNPACKED_LIMIT:
        raise DocumentError(
            f"{place!r} unpacks to more than {UNPACKED_LIMIT // 1_000_000} MB. Split it."
        )
    if any(m.file_size > max(_SMALL, RATIO_LIMIT * m.compress_size) for m in members):
        raise DocumentError(
            f"{place!r} holds a file that unpacks to more than {RATIO_LIMIT} times its size. "
            "Take it out."
        )


def _check_method(member: ZipInfo, place: str) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise DocumentError(f"{place!r} is encrypted. Pack it without a password.")
    if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise DocumentError(
            f"{place!r} is packed by method {member.compress_type}. Pack it as a usual zip."
        )


def _visible(members: Sequence[ZipInfo], place: str) -> dict[PurePosixPath, ZipInfo]:
    """Return the files by their names, without links and what a system hides."""
    visible: dict[PurePosixPath, ZipInfo] = {}
    for member in members:
        spelled = shown(member.filename.replace("\\", "/"))
        if _OUTSIDE.search(spelled) or len(spelled) > _NAME_LIMIT:
            raise DocumentError(
                f"{place!r} holds a file with the unsafe name {spelled[:80]!r}. "
                "Pack the folder again."
            )
        name = PurePosixPath(spelled)
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if is_link or spelled.endswith("/") or is_hidden(name):
            continue
        if name in visible:
            raise DocumentError(f"{place!r} holds {spelled!r} twice. Pack the folder again.")
        visible[name] = member
    return visible


def _top(names: Iterable[PurePosixPath]) -> str:
    """Return the folder that all files lie in, or an empty string."""
    tops = {name.parts[0] if len(name.parts) > 1 else "" for name in names}
    return tops.pop() if len(tops) == 1 else ""


class _Archive(io.BufferedReader):
    """A file of which no large directory of members is read.

    `ZipFile` asks for the whole directory at once and makes an object of each entry: without
    a limit, an archive takes a gigabyte of memory before its members can be counted.
    """

    is_open = False
    """Whether the directory has been read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read some bytes."""
        if not self.is_open and (size or 0) > _DIRECTORY_LIMIT:
            raise BadZipFile("its directory is too large")
        return super().read(size)


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    with _faults(str(path)), path.open("rb", buffering=0) as raw:
        stream = _Archive(raw)
        with ZipFile(stream) as archive:
            stream.is_open = True
            yield archive


@contextmanager
def _read(archive: ZipFile, member: ZipInfo, place: str) -> Iterator[IO[bytes]]:
    with _faults(place), archive.open(member) as stream:
        yield stream


@contextmanager
def _faults(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unreadable(place, error.strerror) from error
    except _FAULTS as error:
        raise DocumentError(
            f"{place!r} is damaged, or no zip archive ({error}). Pack it again."
        ) from error
