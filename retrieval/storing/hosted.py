"""One Chroma collection on a server or in Chroma Cloud, with the same methods as `Store`.

A collection without vectors, the pointer, says in its metadata which collection is in use,
of what its vectors are, and a word that every write replaces. Locks are collections too: to
begin one of a name is what a server does for the first who asks, and refuses to the others.
What a server keeps of a deleted collection in its files, its logs and its backups is its
operator's business: from here nobody can see that it is gone.
It knows Chroma; it knows nothing of documents, embeddings or queries.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import sha256
from threading import RLock, get_ident
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.errors import ChromaError, NotFoundError
from pydantic import SecretStr

from retrieval.errors import RetrievalError
from retrieval.storing.connection import Connection
from retrieval.storing.store import (
    IDENTITY,
    WAIT_SECONDS,
    Stamp,
    check_identity,
    collection_of,
    identity_of,
)

T = TypeVar("T")

_CURRENT = "current"
_REVISION = "revision"
_OWING = "owing"
_UNTIL = "until"
_WRITER_SECONDS = 180.0
"""After how long without a write a writer is taken for dead; a batch's embedding is shorter."""
_BATCH_SECONDS = 120.0
"""After how long a batch, or a reading, is taken for dead."""
_POLL_SECONDS = 0.05
_PAGE = 1_000


class HostedStore:
    """One collection on a server; it can be shared between threads."""

    def __init__(
        self,
        url: str,
        identity: str = "",
        *,
        token: SecretStr | None = None,
        name: str = "past_assignments",
    ) -> None:
        """Name a store; the server is asked at the first use.

        Args:
            url: `http(s)://HOST:PORT`; for another tenant with `/TENANT/DATABASE` behind it.
            identity: the embedding that the vectors have to be of; empty accepts any.
            token: what the server, or a proxy before it, asks for.
            name: what the names of all its collections begin with.

        Raises:
            RetrievalError: the address cannot be used.
        """
        self._server = Connection(url, token)
        self._identity = identity
        self._name = name
        self._lock = RLock()
        self._writer = 0
        self._lease: Collection | None = None
        self.page_size = self.batch_size = self._server.most or _PAGE

    def stamp(self) -> Stamp:
        """Return what every write of any process changes; it costs one request."""
        with self._server.used() as client:
            try:
                return _stamp(_found(client, self._name))
            except NotFoundError:
                return Stamp("", "")

    def read(self, work: Callable[[Collection], T]) -> tuple[Stamp, T]:
        """Do some work that only reads, and return it with the stamp of what it saw.

        Raises:
            IndexIdentityError: the vectors are of another embedding.
            RetrievalError: the server cannot do the work, or another process never ends its own.
        """
        with self._server.used() as client, self._alone(client):
            pointer = self._pointer(client)
            return _stamp(pointer), work(_found(client, _fact(pointer, _CURRENT)))

    def run(self, work: Callable[[Collection], T]) -> T:
        """Do some work that only reads; see `read`."""
        return self.read(work)[1]

    def write(self, work: Callable[[Collection], T], *, forgets: bool = False) -> T:
        """Do some work that changes the collection.

        Args:
            work: what is done.
            forgets: that it deletes or replaces something; the store is then `owing` until it
                is renewed.
        """
        with self.writing(), self._server.used() as client, self._alone(client):
            self.keep(client)
            pointer = self._pointer(client)
            data = _found(client, _fact(pointer, _CURRENT))
            _point(pointer, {_OWING: "yes"} if forgets else {})
            try:
                return work(data)
            finally:
                # Once more, for those who took this batch for dead and have read half of it.
                _point(pointer, {})

    def identity(self) -> str:
        """Return the embedding that the stored vectors are of."""
        with self._server.used() as client, self._alone(client):
            return identity_of(self._pointer(client))

    @property
    def owing(self) -> bool:
        """Whether something was deleted or replaced since its collection was begun."""
        with self._server.used() as client, self._alone(client):
            return bool(_fact(self._pointer(client), _OWING))

    @contextmanager
    def writing(self, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
        """Be the only writer; one that died is waited for until its time is up.

        Raises:
            RetrievalError: another one is still writing after `wait_seconds`.
        """
        if self._writer == get_ident():
            yield
            return
        with self._server.used() as client:
            lease = self._taken(client, "writer", _WRITER_SECONDS, wait_seconds)
        self._writer, self._lease = get_ident(), lease
        try:
            yield
        finally:
            self._writer, self._lease = 0, None
            with self._server.used() as client:
                self._end(client, lease)

    @contextmanager
    def renewed(self, identity: str) -> Iterator["Successor"]:
        """Hand out an empty store, and put it in this one's place when it has been filled."""
        with self.writing():
            try:
                with self._server.used() as client:
                    self._sweep(client)
                    name = self._after(_fact(self._pointer(client), _CURRENT), identity)
                    collection_of(client, name, identity)
                yield Successor(self, self._server, name)
                with self._server.used() as client, self._alone(client):
                    self.keep(client)
                    facts = {IDENTITY: identity, _CURRENT: name, _OWING: ""}
                    _point(_found(client, self._name), facts)
            finally:
                self.sweep()

    def sweep(self) -> None:
        """Delete the collections that are not in use, as a killed process leaves them."""
        with self._server.used() as client:
            self._sweep(client)

    def close(self) -> None:
        """Let go of the connection; the next use opens it again."""
        with self._lock:
            self._server.close()

    def keep(self, client: ClientAPI) -> None:
        """Say that this writer is alive.

        Raises:
            RetrievalError: another one took it for dead.
        """
        try:
            if self._lease is not None:
                self._lease.modify(metadata={_UNTIL: _now(client) + _WRITER_SECONDS})
        except NotFoundError as error:
            raise RetrievalError(
                f"Another process writes to the index at {self._server.shown!r} since this one "
                f"was silent for {_WRITER_SECONDS:.0f} s. Run the command again."
            ) from error

    def _pointer(self, client: ClientAPI) -> Collection:
        """Return the pointer, and begin an empty index where there is none."""
        try:
            pointer = _found(client, self._name)
        except NotFoundError:
            name = self._after("", self._identity)
            collection_of(client, name, self._identity)
            facts = {IDENTITY: self._identity, _CURRENT: name, _REVISION: uuid4().hex, _OWING: ""}
            pointer = client.create_collection(self._name, metadata=facts, embedding_function=None)
        check_identity(repr(self._server.shown), pointer, self._identity)
        return pointer

    def _after(self, current: str, identity: str) -> str:
        """Return the name of the collection that comes after one."""
        digest = sha256(identity.encode()).hexdigest()[:8]
        return f"{self._name}-{digest}-v{int(current.rpartition('-v')[2] or 0) + 1}"

    def _sweep(self, client: ClientAPI) -> None:
        current = _fact(self._pointer(client), _CURRENT)
        ours = re.compile(rf"{re.escape(self._name)}-([0-9a-f]{{8}}-v\d+|ended-[0-9a-f]{{32}})")
        names = [one.name for one in client.list_collections()]
        for name in names:
            if name != current and ours.fullmatch(name):
                with suppress(NotFoundError):
                    client.delete_collection(name)

    @contextmanager
    def _alone(self, client: ClientAPI) -> Iterator[None]:
        """Keep every other process and thread from a batch or a reading."""
        with self._lock:
            lease = self._taken(client, "batch", _BATCH_SECONDS, 2 * _BATCH_SECONDS)
            try:
                yield
            finally:
                self._end(client, lease)

    def _end(self, client: ClientAPI, lease: Collection) -> None:
        """Delete one lock, and not another one that has its name by now: so by a new name."""
        name = f"{self._name}-ended-{uuid4().hex}"
        with suppress(NotFoundError):
            lease.modify(name=name)
            client.delete_collection(name)

    def _taken(
        self, client: ClientAPI, kind: str, seconds: float, wait_seconds: float
    ) -> Collection:
        name = f"{self._name}-{kind}"
        patience = monotonic() + wait_seconds
        while True:
            now = _now(client)
            with suppress(ChromaError):  # that it is there already is an error of no kind
                return client.create_collection(
                    name, metadata={_UNTIL: now + seconds}, embedding_function=None
                )
            with suppress(NotFoundError):
                other = _found(client, name)
                if float(_fact(other, _UNTIL)) < now:
                    self._end(client, other)
                    continue
            if monotonic() > patience:
                raise RetrievalError(
                    f"The index at {self._server.shown!r} is being written to, or a writer died "
                    f"less than {seconds:.0f} s ago. Wait, then try again."
                )
            sleep(_POLL_SECONDS)


class Successor:
    """A collection that is being filled, and is not in use yet."""

    def __init__(self, home: HostedStore, server: Connection, name: str) -> None:
        """Name it; `HostedStore.renewed` does."""
        self._home, self._server, self._name = home, server, name
        self.page_size, self.batch_size = home.page_size, home.batch_size

    def read(self, work: Callable[[Collection], T]) -> tuple[Stamp, T]:
        """Do some work that only reads; nothing but this process changes what is there."""
        with self._server.used() as client:
            return Stamp(self._name, ""), work(_found(client, self._name))

    def run(self, work: Callable[[Collection], T]) -> T:
        """Do some work that only reads."""
        return self.read(work)[1]

    def write(self, work: Callable[[Collection], T], *, forgets: bool = False) -> T:
        """Do some work that changes the collection."""
        with self._server.used() as client:
            self._home.keep(client)
            return work(_found(client, self._name))

    def writing(self) -> AbstractContextManager[None]:
        """Be the only writer, as it is from the beginning."""
        return nullcontext()


def _found(client: ClientAPI, name: str) -> Collection:
    return client.get_collection(name, embedding_function=None)


def _now(client: ClientAPI) -> float:
    """Return the server's time, which is the same for all who ask."""
    return client.heartbeat() / 1e9


def _fact(collection: Collection, key: str) -> str:
    return str((collection.metadata or {}).get(key, ""))


def _stamp(pointer: Collection) -> Stamp:
    return Stamp(_fact(pointer, _CURRENT), _fact(pointer, _REVISION))


def _point(pointer: Collection, changed: dict[str, str]) -> None:
    pointer.modify(metadata={**pointer.metadata, **changed, _REVISION: uuid4().hex})
