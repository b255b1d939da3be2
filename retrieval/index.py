"""The index of past assignments: add documents, take them out, search them, embed them anew.

It knows chunks, embeddings and the store; it knows nothing of graphs, prompts or people.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from retrieval.embedding.local import WordVectors
from retrieval.errors import IndexMissingError, RetrievalError
from retrieval.reading.chunks import LONGEST
from retrieval.search.profiles import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Self

    from langchain_core.embeddings import Embeddings
    from pydantic import SecretStr

    from retrieval.reading.documents import Document
    from retrieval.retriever import AssignmentRetriever
    from retrieval.search.matches import Attach
    from retrieval.search.profiles import Profile
    from retrieval.search.snapshot import Snapshot
    from retrieval.sources import Section, Source
    from retrieval.storing.renewal import Renewable
    from retrieval.storing.rows import Entry, Row

_QUERY_HEAD = LONGEST
_SEARCHED: Mapping[Attach, tuple[Section, ...]] = {
    "plan": ("brief", "text"),
    "solution": ("brief", "solution", "tests", "text"),
    "": ("brief", "risks", "criteria", "solution", "tests", "text"),
}


class Withheld(NamedTuple):
    """A document that is suspicious."""

    document_id: str
    name: str
    flags: str
    """What is suspicious in it, joined by commas."""


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `add` did, in documents."""

    added: int
    changed: int
    unchanged: int
    chunks: int
    """How many chunks were embedded and written."""
    withheld: Sequence[Withheld]
    """Which of those added or changed are not searched until they are released."""


@dataclass(frozen=True, slots=True)
class IndexStats:
    """What the index holds."""

    documents: int
    chunks: int
    withheld: int
    """Documents that are not searched until they are released."""
    courses: Mapping[str, int]
    """Documents for each course; the empty name counts those that every course sees."""
    languages: Mapping[str, int]
    """Documents for each programming language; the empty name counts the unknown."""
    kinds: Mapping[str, int]
    """Documents for each kind."""
    embedding: str
    path: str


class AssignmentIndex:
    """One Chroma index of past assignments; safe to share between threads and processes."""

    def __init__(
        self,
        store: Renewable,
        place: str,
        identity: str,
        embeddings: Embeddings,
        profile: Profile,
    ) -> None:
        """Wrap a store; use `open` instead."""
        self._store = store
        self._place = place
        self._identity = identity
        self._embeddings = embeddings
        self._profile = profile
        self._words = WordVectors()
        self._reading = Lock()
        self._read: _Read | None = None

    @classmethod
    def open(
        cls,
        place: Path | str,
        embeddings: Embeddings,
        identity: str,
        *,
        profile: Profile = LOCAL,
        token: SecretStr | None = None,
    ) -> Self:
        """Open the index in a folder or on a Chroma server, or begin an empty one.

        Args:
            place: the folder, or the server's address.
            embeddings: makes the vectors.
            identity: names the vectors; an index of other vectors is refused.
            profile: what the signals are worth beside these vectors.
            token: what the server asks for.

        Raises:
            IndexIdentityError: the index was built with another embedding.
            RetrievalError: the folder or the server cannot be used.
        """
        store = _store(place, identity, token)
        return cls(store, str(place), store.identity(), embeddings, profile)

    @classmethod
    def rebuild(
        cls,
        place: Path | str,
        embeddings: Embeddings,
        identity: str,
        *,
        profile: Profile = LOCAL,
        token: SecretStr | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Embed everything in the index anew, swap it in, and open it; see `open`.

        The old index answers until the new one is complete. `on_progress` is told how many
        chunks are embedded, and how many there are.

        Raises:
            IndexMissingError: there is no index in the folder.
            RetrievalError: another process is writing to it.
        """
        from retrieval.storing.renewal import renew

        if isinstance(place, Path) and not place.is_dir():
            raise IndexMissingError(
                f"There is no index at {str(place)!r}. Run: assist index add PATH"
            )
        renew(_store(place, "", token), identity, embeddings, on_progress)
        return cls.open(place, embeddings, identity, profile=profile, token=token)

    def add(self, documents: Iterable[Document]) -> AddReport:
        """Add documents; what is there already is left alone, a changed document is replaced.

        Raises:
            DocumentError: from `documents`; earlier batches stay, so repair it and add again.
            RetrievalError: another process is writing to the index.
        """
        from retrieval.storing.renewal import writing
        from retrieval.storing.rows import batches

        counts: Counter[str] = Counter()
        withheld: list[Withheld] = []
        with writing(self._store):
            for batch in batches(documents):
                counts.update(self._add_batch(batch, withheld))
        return AddReport(**{name: counts[name] for name in _COUNTED}, withheld=withheld)

    def _add_batch(
        self, batch: Mapping[str, list[Entry]], withheld: list[Withheld]
    ) -> dict[str, int]:
        from retrieval.storing.rows import digests_of, write

        stored = self._store.run(partial(digests_of, document_ids=list(batch)))
        new = [document_id for document_id in batch if document_id not in stored]
        changed = [
            document_id
            for document_id in stored
            if stored[document_id] != [entry.row["digest"] for entry in batch[document_id]]
        ]
        entries = [entry for document_id in new + changed for entry in batch[document_id]]
        if entries:
            write(self._store, entries, self._embeddings, replaced=changed)
        written = [batch[document_id][0].row for document_id in new + changed]
        withheld += [
            Withheld(row["document_id"], row["name"], row["flags"])
            for row in written
            if row["flags"]
        ]
        return {
            "added": len(new),
            "changed": len(changed),
            "unchanged": len(batch) - len(new) - len(changed),
            "chunks": len(entries),
        }

    def documents(self) -> list[Row]:
        """Return what is known of each document, in a fixed order."""
        return list({entry.row["document_id"]: entry.row for entry in self._entries()}.values())

    def document(self, document_id: str) -> Sequence[Entry]:
        """Return the chunks of a document in their order; none if it is unknown or withheld."""
        return self._snapshot().document(document_id)

    def remove(self, document_ids: Collection[str]) -> int:
        """Take documents out, from the index's files too, and return how many there were.

        Raises:
            RetrievalError: another process is writing to the index.
        """
        from retrieval.storing.renewal import writing
        from retrieval.storing.rows import remove

        with writing(self._store):
            return remove(self._store, list(document_ids))

    def release(self, document_ids: Collection[str]) -> int:
        """Let suspicious documents be searched, and return how many of them are there."""
        from retrieval.storing.rows import release

        return release(self._store, list(document_ids))

    def search(
        self,
        query: str,
        *,
        course: str = "",
        language: str = "",
        kind: str = "",
        attach: Attach = "",
        limit: int = 4,
        per_document: int = 2,
    ) -> list[Source]:
        """Return the best passages that a course may see, best first.

        Args:
            query: a question or a whole assignment; its first 4,000 characters count.
            course: sees its own documents and those without a course; empty only the latter.
            language: the programming language; empty for any.
            kind: `assignment`, `material` or what the documents call themselves; empty for any.
            attach: "plan" or "solution" hands over that section too, one source a document.
            limit: the most sources to return.
            per_document: the most sources out of one document.

        Raises:
            IndexMissingError: nothing has been indexed yet.
        """
        from retrieval.search.matches import choose, sources
        from retrieval.search.snapshot import Scope

        snapshot = self._snapshot()
        if not snapshot.held:
            raise IndexMissingError("Nothing is indexed yet. Run: assist index add PATH")
        head = query[:_QUERY_HEAD].encode("utf-8", "replace").decode()
        if limit < 1 or not head.strip():
            return []
        vector = self._embeddings.embed_query(head)
        if not snapshot.entries or not any(vector):
            return []
        _check(vector, snapshot.ranker.dimensions)
        scope = Scope(course, language.lower(), kind.lower(), _SEARCHED[attach])
        ranked = snapshot.rank(head, vector, scope)
        most = 1 if attach else per_document
        return sources(choose(ranked, snapshot, limit=limit, per_document=most), snapshot, attach)

    def as_retriever(
        self, *, course: str = "", language: str = "", kind: str = "", limit: int = 4
    ) -> AssignmentRetriever:
        """Return a retriever of LangChain; see `search` for the arguments."""
        from retrieval.retriever import AssignmentRetriever

        search = partial(self.search, course=course, language=language, kind=kind, limit=limit)
        return AssignmentRetriever(search=search, find=partial(asyncio.to_thread, search))

    def stats(self) -> IndexStats:
        """Count what the index holds."""
        from retrieval.search.snapshot import is_open

        entries = self._entries()
        rows = list({entry.row["document_id"]: entry.row for entry in entries}.values())
        return IndexStats(
            documents=len(rows),
            chunks=len(entries),
            withheld=sum(not is_open(row) for row in rows),
            courses=_counted(row["course"] for row in rows),
            languages=_counted(row["language"] for row in rows),
            kinds=_counted(row["kind"] for row in rows),
            embedding=self._identity,
            path=self._place,
        )

    def close(self) -> None:
        """Let go of what is held; the next use reads it again."""
        with self._reading:
            self._read = None
        self._store.close()

    def _entries(self) -> Sequence[Entry]:
        from retrieval.storing.rows import snapshot

        read = self._read
        if read is not None and self._is_current(read):
            return read.snapshot.held
        return snapshot(self._store).entries

    def _snapshot(self) -> Snapshot:
        """Return what is stored now, read again where any process has written since.

        Whoever waits while another thread reads takes what that one has read, if it began
        later: so a stream of writes makes a search wait for two readings at most.
        """
        asked = monotonic()
        read = self._read
        if read is None or not self._is_current(read):
            with self._reading:
                read = self._read
                if read is None or (read.began < asked and not self._is_current(read)):
                    read = self._read = self._read_again(read)
        return read.snapshot

    def _is_current(self, read: _Read) -> bool:
        return read.stamp == self._store.stamp()

    def _read_again(self, before: _Read | None) -> _Read:
        from retrieval.search.snapshot import Snapshot
        from retrieval.storing.rows import snapshot
        from retrieval.storing.store import give_back

        began = monotonic()
        stamp, entries, vectors = snapshot(self._store)
        known = before.snapshot if before else None
        fresh = Snapshot(entries, vectors, self._words, self._profile, before=known)
        give_back()
        return _Read(stamp, began, fresh)


class _Read(NamedTuple):
    """What was read of the store."""

    stamp: object
    began: float
    """When the reading began, in seconds of the monotonic clock."""
    snapshot: Snapshot


def _check(vector: Sequence[float], dimensions: int) -> None:
    """Refuse a vector that cannot be compared with the stored ones."""
    if len(vector) != dimensions or not all(map(math.isfinite, vector)):
        raise RetrievalError(
            f"The embedding answered a question with {len(vector)} numbers, and the index holds "
            f"vectors of {dimensions} finite ones. Check the embedding's server, or run: "
            "assist index rebuild"
        )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _store(place: Path | str, identity: str, token: SecretStr | None) -> Renewable:
    """Importing Chroma takes a second, so it waits until something is opened."""
    if isinstance(place, Path):
        from retrieval.storing.store import Store

        return Store(place, identity)
    from retrieval.storing.hosted import HostedStore

    return HostedStore(place, identity, token=token)


_COUNTED = ("added", "changed", "unchanged", "chunks")
