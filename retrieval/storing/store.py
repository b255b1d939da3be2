"""One Chroma collection in a folder: opened, kept fresh, locked, replaced whole.

It knows Chroma and files; it knows nothing of documents, embeddings or queries. The
database lives in a numbered subfolder, a generation, and the file `current` names the one
in use. In each generation `revision` holds a word that every write replaces, and
`forgetting` lies there while something that was deleted is still in Chroma's files.
"""

import ctypes
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import NamedTuple, Self, TypeVar, cast
from uuid import uuid4

from chromadb import PersistentClient
from chromadb.api import ClientAPI
from chromadb.api.client import Client
from chromadb.api.collection_configuration import (
    CreateCollectionConfiguration,
    CreateHNSWConfiguration,
)
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from retrieval.errors import IndexIdentityError, RetrievalError

T = TypeVar("T")

IDENTITY = "embedding"
"""The key under which a collection says what its vectors are of."""
WAIT_SECONDS = 10.0
"""How long a writer waits for another one."""

_COLLECTION = "past_assignments"
_FIRST = "v1"
_GENERATION = r"v\d{1,9}"
_CURRENT = "current"
_REVISION = "revision"
_FORGETTING = "forgetting"
_BATCH_SECONDS = 120.0
"""How long one waits for another process's batch; the slowest one measured took 10 s."""
_POLL_SECONDS = 0.005
"""Less than what a writer does between two batches; SQLite itself would ask every 0.1 s."""
_IS_GLIBC = platform.libc_ver()[0] == "glibc"
_M_PERTURB = -6
"""The option of glibc's `mallopt` by which memory is filled when it is given out."""
_AS_ZEROS = 0xFF
"""Its value is what freed memory is filled with; new memory gets the complement."""

_SMALL = 1_032
"""Bytes up to which glibc keeps freed memory for the same thread, and fills it with nothing."""


class Stamp(NamedTuple):
    """Names one state of what is stored; two that differ may hold different things."""

    generation: str
    revision: str


class Store:
    """One collection, touched by one thread of one process at a time.

    Chroma keeps its vectors in memory and does not see what another process writes, and
    with more than a thousand vectors it writes also when it is only opened. So the database
    is opened for each piece of work, under a lock, and closed again: measured, 30 ms.
    """

    page_size = 250
    """How many chunks are read at once: measured, with more it is slower and takes more memory."""

    def __init__(self, folder: Path, identity: str = "", *, generation: str = "") -> None:
        """Name a store; nothing is touched before the first use.

        Args:
            folder: where the index lives.
            identity: the embedding that the vectors have to be of; empty accepts any.
            generation: the subfolder; empty follows the one that is in use.
        """
        self._folder = folder
        self._identity = identity
        self._generation = generation
        self._lock = RLock()
        self._writer = 0
        self.batch_size = 1
        """How many chunks Chroma takes at once; known when the store was open."""

    def stamp(self) -> Stamp:
        """Return what every write of any process changes; it costs two small reads.

        It changes before the write is complete, and `read` then waits until it is.
        """
        generation = self._generation or current_generation(self._folder)
        try:
            revision = (self._folder / generation / _REVISION).read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            revision = ""
        return Stamp(generation, revision)

    def read(self, work: Callable[[Collection], T]) -> tuple[Stamp, T]:
        """Do some work that only reads, and return it with the stamp of what it saw.

        Raises:
            IndexIdentityError: the vectors are of another embedding.
            RetrievalError: Chroma cannot do the work, or another process never ends its own.
        """
        with self._alone():
            return self.stamp(), self._do(work)

    def run(self, work: Callable[[Collection], T]) -> T:
        """Do some work that only reads; see `read`."""
        return self.read(work)[1]

    def write(self, work: Callable[[Collection], T], *, forgets: bool = False) -> T:
        """Do some work that changes the collection.

        Args:
            work: what is done.
            forgets: that it deletes or replaces something, which Chroma's files go on holding;
                the store is then `owing` until its successor is adopted.
        """
        with self.writing(), self._alone():
            path = self._made()
            if forgets:
                _write(path / _FORGETTING, "")
            _write(path / _REVISION, uuid4().hex)
            return self._do(work)

    def identity(self) -> str:
        """Return the embedding that the stored vectors are of."""
        return self.run(identity_of)

    @property
    def owing(self) -> bool:
        """Whether Chroma's files may hold what was deleted or replaced."""
        return (self._path() / _FORGETTING).exists()

    @contextmanager
    def writing(self, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
        """Be the only writer of the folder; a killed writer's lock is gone with it.

        Raises:
            RetrievalError: another one is still writing after `wait_seconds`.
        """
        if self._generation or self._writer == get_ident():
            yield
            return
        with closing(self._locked("writer.lock", wait_seconds)):
            self._writer = get_ident()
            try:
                yield
            finally:
                self._writer = 0

    @contextmanager
    def renewed(self, identity: str) -> Iterator[Self]:
        """Hand out an empty store, and put it in this one's place when it has been filled.

        Raises:
            RetrievalError: what was here cannot be deleted.
        """
        with self.writing():
            try:
                self.sweep()
                name = f"v{int(current_generation(self._folder)[1:]) + 1}"
                successor = type(self)(self._folder, identity, generation=name)
                successor.identity()  # an empty one is to be there too
                yield successor
                made = self._folder / name
                for path in (*made.rglob("*"), made):
                    _flush(path)
                with self._alone():
                    _write(self._folder / _CURRENT, f"{name}\n")
            finally:
                self.sweep()

    def sweep(self) -> None:
        """Delete the generations that are not in use, as a killed process leaves them.

        Raises:
            RetrievalError: one of them cannot be deleted.
        """
        current = current_generation(self._folder)
        for old in self._folder.glob("v*"):
            if old.name == current or not re.fullmatch(_GENERATION, old.name):
                continue
            shutil.rmtree(old, ignore_errors=True)
            if old.exists():
                raise RetrievalError(
                    f"{str(old)!r} may hold what was removed from the index, and cannot be "
                    "deleted. Delete that folder."
                )

    def close(self) -> None:
        """Let go of everything; there is nothing to let go of between two uses."""

    def _path(self) -> Path:
        return self._folder / (self._generation or current_generation(self._folder))

    def _made(self) -> Path:
        path = self._path()
        try:
            for folder in (self._folder, path):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RetrievalError(
                f"The index folder {str(path)!r} cannot be made ({error.strerror}). "
                "Choose another folder."
            ) from error
        return path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process and thread from this generation's files."""
        with self._lock:
            if self._generation:  # nobody else knows of it
                yield
                return
            with closing(self._locked("chroma.lock", _BATCH_SECONDS)):
                yield

    def _locked(self, name: str, wait_seconds: float) -> sqlite3.Connection:
        self._made()
        patience = monotonic() + wait_seconds
        while True:
            held = None
            try:
                held = sqlite3.connect(self._folder / name, timeout=0, isolation_level=None)
                held.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if held is not None:
                    held.close()
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > patience:
                    raise RetrievalError(
                        f"The index at {str(self._folder)!r} cannot be locked ({error}). "
                        "Wait until no other command writes to it, then try again."
                    ) from error
            else:
                return held
            sleep(_POLL_SECONDS)

    def _do(self, work: Callable[[Collection], T]) -> T:
        _give_out_zeros()
        settings = Settings(anonymized_telemetry=False)
        try:
            # The function declares an interface without close, but returns this class.
            client = cast("Client", PersistentClient(self._made(), settings=settings))
        except (ChromaError, ValueError, AttributeError) as error:
            # The last two are how Chroma fails to open what it has failed to open before.
            raise self._unusable(error) from error
        try:
            self.batch_size = client.get_max_batch_size()
            return work(self._checked(collection_of(client, _COLLECTION, self._identity)))
        except ChromaError as error:
            raise self._unusable(error) from error
        finally:
            client.close()
            _blank(self._path())
            give_back()

    def _checked(self, collection: Collection) -> Collection:
        check_identity(repr(str(self._folder)), collection, self._identity)
        return collection

    def _unusable(self, error: Exception) -> RetrievalError:
        return RetrievalError(
            f"The index at {str(self._folder)!r} cannot be used ({error}). "
            "Restore the folder, or delete it and run: assist index add PATH"
        )


def _give_out_zeros() -> None:
    """Have memory given out empty from now on, where the C library can do that.

    Chroma writes its vectors' buffers to the disk whole, also what it never filled. Measured with
    1.5.9: pieces of what this process had in memory before, of people's words among it, then lie
    in the index in clear.
    """
    if _IS_GLIBC:
        ctypes.CDLL(None).mallopt(_M_PERTURB, _AS_ZEROS)


def give_back() -> None:
    """Give freed memory back: measured at 6,267 chunks, 125 MB are left in use instead of 260."""
    if _IS_GLIBC:
        ctypes.CDLL(None).malloc_trim(0)


def _blank(path: Path) -> None:
    """Empty the one small buffer that is written when an index is begun, and not used then.

    Memory as small as that the C library gives out as it was left, see `_give_out_zeros`.
    """
    for file in path.glob("*/length.bin"):
        size = file.stat().st_size
        if size <= _SMALL and any(file.read_bytes()):
            file.write_bytes(bytes(size))


def collection_of(client: ClientAPI, name: str, identity: str) -> Collection:
    """Return the collection of that name, or begin it."""
    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        # Measured on 10,000 texts: with these the approximate search misses none of the best 10.
        hnsw = CreateHNSWConfiguration(
            space="cosine", ef_search=400, max_neighbors=32, ef_construction=200
        )
        return client.create_collection(
            name,
            embedding_function=None,
            metadata={IDENTITY: identity},
            configuration=CreateCollectionConfiguration(hnsw=hnsw),
        )


def identity_of(collection: Collection) -> str:
    """Return the embedding that a collection's vectors are of."""
    return str((collection.metadata or {}).get(IDENTITY, ""))


def check_identity(place: str, collection: Collection, identity: str) -> None:
    """Refuse a collection whose vectors are of another embedding; an empty one means any.

    Raises:
        IndexIdentityError: they are.
    """
    stored = identity_of(collection)
    if identity not in {"", stored}:
        raise IndexIdentityError(
            f"The index at {place} was built with the embedding {stored!r}, "
            f"but {identity!r} is configured. Run: assist index rebuild, or configure the other "
            "and start again."
        )


def current_generation(folder: Path) -> str:
    """Return the subfolder that is in use."""
    try:
        name = (folder / _CURRENT).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return _FIRST
    except (OSError, ValueError):
        name = ""
    if not re.fullmatch(_GENERATION, name):
        raise RetrievalError(
            f"{str(folder / _CURRENT)!r} does not name a subfolder such as {_FIRST!r}. "
            "Write the name of the one in use into it."
        )
    return name


def _write(path: Path, text: str) -> None:
    """Write a small file in one step, and wait until the disk has it."""
    written = path.with_name(f"{path.name}.new")
    written.write_text(text, "utf-8")
    _flush(written)
    written.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    with suppress(OSError):  # not every system opens a folder
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
