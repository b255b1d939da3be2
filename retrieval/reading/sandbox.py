"""Read formats that can harm their reader in a process of its own, with little to spend.

A file of 30 kB can cost a PDF reader minutes and gigabytes, and no limit inside the reader
bounds that. So the operating system does. It knows processes; the readers know the formats.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from retrieval.errors import DocumentError


class Extract(NamedTuple):
    """What a file says of itself, and its text as Markdown."""

    title: str
    text: str


class Limits(NamedTuple):
    """What a reader may spend on a file."""

    seconds: int = 10
    """Of computing; on the clock, three times as much."""
    memory: int = 512_000_000
    """Bytes of address space."""


LIMITS = Limits()

_PATIENCE = 3
_NO_MEMORY = 75
_CHILD = (
    "import sys; sys.path[:] = sys.argv[5:]; from retrieval.reading.sandbox import main; main()"
)
_ROOT = str(Path(__file__).resolve().parents[2])


def extract(kind: str, data: bytes, place: str, limits: Limits = LIMITS) -> Extract:
    """Return the text of a file of some kind, `pdf` or `docx`.

    Raises:
        DocumentError: it cannot be read, has no text, or costs too much to read; or this
            system cannot bound what reading costs.
    """
    if find_spec("resource") is None:
        raise DocumentError(
            f"{place!r} cannot be read here: PDF and Word files are read on Linux and macOS only. "
            "Save it as Markdown or text."
        )
    command = [sys.executable, "-I", "-S", "-c", _CHILD, kind, place, *map(str, limits)]
    paths = [_ROOT, *filter(None, sys.path)]
    try:
        # The environment is left behind: it may hold keys, which no file has to come near to.
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            [*command, *paths],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            check=False,
            timeout=limits.seconds * _PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_costly(place) from error
    except OSError as error:
        raise DocumentError(
            f"{place!r} cannot be read: no process starts ({error.strerror}). Try again later."
        ) from error
    if done.returncode in {_NO_MEMORY, -signal.SIGXCPU, -signal.SIGKILL}:
        raise _too_costly(place)
    if done.returncode:
        raise DocumentError(
            f"{place!r} is damaged, or no {kind} file. Open it and save it as a new one."
        )
    answer = json.loads(done.stdout)
    if "fault" in answer:
        raise DocumentError(answer["fault"])
    return Extract(**answer)


def _too_costly(place: str) -> DocumentError:
    return DocumentError(
        f"{place!r} takes too much time or memory to read. Save it as text, or leave it out."
    )


def main() -> None:
    """Read a file from the standard input; run by `extract` in the process of its own."""
    kind, place, seconds, memory = sys.argv[1:5]
    _limit(int(seconds), int(memory))
    try:
        sys.stdout.write(answer(kind, sys.stdin.buffer.read(), place))
    except MemoryError:
        # There is no memory left for a sentence.
        os._exit(_NO_MEMORY)


def answer(kind: str, data: bytes, place: str) -> str:
    """Return the text of a file, or what is wrong with it, as JSON."""
    try:
        if kind == "pdf":
            from retrieval.reading.pdf import read
        else:
            from retrieval.reading.docx import read
        return json.dumps(read(data, place)._asdict())
    except DocumentError as error:
        return json.dumps({"fault": str(error)})


def _limit(seconds: int, memory: int) -> None:
    """Have the system end this process when it spends more."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(ValueError, OSError):  # macOS bounds no address space
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
