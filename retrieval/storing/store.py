"""One Chroma collection in a folder: opened, kept fresh, locked for writers, replaced whole.

It knows Chroma and files; it knows nothing of documents, embeddings or queries. The
database lives in a numbered subfolder, and the file `current` names the one in use.
"""

import ctypes
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import TypeVar, cast

from chromadb import PersistentClient
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

_COLLECTION = "past_assignments"
_IDENTITY = "embedding"
_FIRST = "v1"
_CURRENT = "current"
_WAIT_SECONDS = 10.0
_M_PERTURB = -6
"""The option of glibc's `mallopt` by which memory is filled when it is given out."""
_AS_ZEROS = 0xFF
"""Its value is what freed memory is filled with; new memory gets the complement."""


class Store:
    """One collection, read and written by one thread at a time.

    Chroma keeps its vectors in memory and does not see what another process writes: it
    then fails, or still finds what was deleted. So a changed database is opened anew.
    """

    def __init__(self, folder: Path, identity: str = "", *, generation: str = "") -> None:
        """Name a store; it is opened at the first use.

        Args:
            folder: where the index lives.
            identity: the embedding that the vectors have to be of; empty accepts any.
            generation: the subfolder; empty follows the one that is in use.
        """
        self._folder = folder
        self._identity = identity
        self._generation = generation
        self._lock = RLock()
        self._client: Client | None = None
        self._collection: Collection | None = None
        self._seen: tuple[str, int, int] | None = None
        self.batch_size = 1
        """How many chunks Chroma takes at once; known when the store is open."""

    def run(self, work: Callable[[Collection], T]) -> T:
        """Do some work with the collection as it is now on disk.

        Raises:
            IndexIdentityError: the vectors are of another embedding.
            RetrievalError: Chroma cannot do the work.
        """
        with self._lock:
            try:
                return work(self._fresh())
            except ChromaError:
                self.close()  # another process may have written in between: once more, opened anew
            try:
                return work(self._fresh())
            except ChromaError as error:
                raise self._unusable(error) from error

    def write(self, work: Callable[[Collection], T]) -> T:
        """Do some work that changes the collection; it may be done twice."""
        with self._lock:
            result = self.run(work)
            self._seen = self._stamp()
            return result

    def identity(self) -> str:
        """Return the embedding that the stored vectors are of."""
        return self.run(_identity)

    @contextmanager
    def writing(self, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
        """Be the only writer of the folder; a killed writer's lock is gone with it.

        Raises:
            RetrievalError: another one is still writing after `wait_seconds`.
        """
        with closing(self._lock_file(wait_seconds)):
            yield

    def _lock_file(self, wait_seconds: float) -> sqlite3.Connection:
        held = None
        try:
            held = sqlite3.connect(
                self._folder / "writer.lock", timeout=wait_seconds, isolation_level=None
            )
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if held is not None:
                held.close()
            raise RetrievalError(
                f"The index at {str(self._folder)!r} cannot be locked for writing ({error}). "
                "Wait until no other command writes to it, then try again."
            ) from error
        return held

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._collection = self._seen = None

    def _fresh(self) -> Collection:
        stamp = self._stamp()
        if self._collection is None or stamp != self._seen:
            self.close()
            self._collection = self._open()
            self._seen = stamp
        return self._collection

    def _open(self) -> Collection:
        path = self._path()
        try:
            for folder in (self._folder, path):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RetrievalError(
                f"The index folder {str(path)!r} cannot be made ({error.strerror}). "
                "Choose another folder."
            ) from error
        _give_out_zeros()
        settings = Settings(anonymized_telemetry=False)
        try:
            # The function declares an interface without close, but returns this class.
            self._client = cast("Client", PersistentClient(path, settings=settings))
        except (ChromaError, ValueError, AttributeError) as error:
            # The last two are how Chroma fails to open what it has failed to open before.
            raise self._unusable(error) from error
        self.batch_size = self._client.get_max_batch_size()
        collection = _collection(self._client, self._identity)
        stored = _identity(collection)
        if self._identity not in {"", stored}:
            raise IndexIdentityError(
                f"The index at {str(self._folder)!r} was built with the embedding {stored!r}, "
                f"but {self._identity!r} is configured. Run: assist index rebuild"
            )
        return collection

    def _unusable(self, error: Exception) -> RetrievalError:
        return RetrievalError(
            f"The index at {str(self._folder)!r} cannot be used ({error}). "
            "Restore the folder, or delete it and run: assist index add PATH"
        )

    def _path(self) -> Path:
        return self._folder / (self._generation or current_generation(self._folder))

    def _stamp(self) -> tuple[str, int, int] | None:
        # Only stat: opening and closing the file here would drop the locks that Chroma's own
        # SQLite holds on it, see https://sqlite.org/howtocorrupt.html section 2.2.
        path = self._path() / "chroma.sqlite3"
        try:
            found = path.stat()
        except OSError:
            return None
        return str(path), found.st_mtime_ns, found.st_size


def _give_out_zeros() -> None:
    """Have memory given out empty from now on, where the C library can do that.

    Chroma writes its vectors' buffers to the disk whole, also what it never filled. Measured with
    1.5.9: pieces of what this process had in memory before, of people's words among it, then lie
    in the index in clear.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_PERTURB, _AS_ZEROS)


def _collection(client: Client, identity: str) -> Collection:
    try:
        return client.get_collection(_COLLECTION, embedding_function=None)
    except NotFoundError:
        # Measured on 10,000 texts: with these the approximate search misses none of the best 10.
        hnsw = CreateHNSWConfiguration(
            space="cosine", ef_search=400, max_neighbors=32, ef_construction=200
        )
        return client.create_collection(
            _COLLECTION,
            embedding_function=None,
            metadata={_IDENTITY: identity},
            configuration=CreateCollectionConfiguration(hnsw=hnsw),
        )


def _identity(collection: Collection) -> str:
    return str((collection.metadata or {}).get(_IDENTITY, ""))


def current_generation(folder: Path) -> str:
    """Return the subfolder that is in use."""
    try:
        name = (folder / _CURRENT).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return _FIRST
    except (OSError, ValueError):
        name = ""
    if not re.fullmatch(r"v\d{1,9}", name):
        raise RetrievalError(
            f"{str(folder / _CURRENT)!r} does not name a subfolder such as {_FIRST!r}. "
            "Write the name of the one in use into it."
        )
    return name


def next_generation(folder: Path) -> str:
    """Return the name of an empty subfolder for a store that is to replace the current one."""
    name = f"v{int(current_generation(folder)[1:]) + 1}"
    shutil.rmtree(folder / name, ignore_errors=True)
    return name


def use_generation(folder: Path, generation: str) -> None:
    """Put another subfolder in use, in one step, and delete what was there before."""
    written = folder / f"{_CURRENT}.new"
    written.write_text(f"{generation}\n", "utf-8")
    written.replace(folder / _CURRENT)
    for old in folder.glob("v*"):
        if old.name != generation:
            shutil.rmtree(old, ignore_errors=True)
