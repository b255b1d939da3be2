"""The index of past assignments: add documents, search them, count them, embed them anew.

It knows chunks, embeddings and the store; it knows nothing of graphs, prompts or people.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from retrieval.chunks import LONGEST
from retrieval.errors import IndexMissingError
from retrieval.matches import Asked, find_sources
from retrieval.rows import batches, digests_of, pages, where_in, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from langchain_core.embeddings import Embeddings

    from retrieval.documents import Document
    from retrieval.matches import Attach
    from retrieval.rows import Entry, Row
    from retrieval.sources import Section, Source
    from retrieval.store import Store

MINIMUM_COSINE = 0.2
"""Matches below are dropped; chosen for `LocalEmbeddings`.

Measured on 30 past assignments: of 50 questions and assignments about programming, 46 have a
match above it (median 0.38); of 35 about cooking, history, health and such, 5 (median 0.13).
"""

_QUERY_HEAD = LONGEST
_SEARCHED: Mapping[Attach, tuple[Section, ...]] = {
    "plan": ("brief", "text"),
    "solution": ("brief", "solution", "text"),
    "": ("brief", "risks", "criteria", "solution", "text"),
}


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `add` did, in documents."""

    added: int
    changed: int
    unchanged: int
    chunks: int
    """How many chunks were embedded and written."""


@dataclass(frozen=True, slots=True)
class IndexStats:
    """What the index holds."""

    documents: int
    chunks: int
    courses: Mapping[str, int]
    """Documents for each course; the empty name counts those that every course sees."""
    languages: Mapping[str, int]
    """Documents for each programming language; the empty name counts the unknown."""
    embedding: str
    path: Path


class AssignmentIndex:
    """One Chroma index of past assignments in a folder; safe to share between threads."""

    def __init__(self, store: Store, folder: Path, embeddings: Embeddings, minimum: float) -> None:
        """Wrap an open store; use `open` instead."""
        self._store = store
        self._folder = folder
        self._embeddings = embeddings
        self._minimum = minimum

    @classmethod
    def open(
        cls,
        folder: Path,
        embeddings: Embeddings,
        identity: str,
        *,
        minimum: float = MINIMUM_COSINE,
    ) -> Self:
        """Open the index in a folder, or begin an empty one.

        Args:
            folder: where the index lives.
            embeddings: makes the vectors.
            identity: names the vectors; an index of other vectors is refused.
            minimum: the cosine below which a match is dropped; belongs to the embeddings.

        Raises:
            IndexIdentityError: the index was built with another embedding.
            RetrievalError: the folder cannot be used.
        """
        from retrieval.store import Store  # importing Chroma takes a second

        store = Store(folder, identity)
        try:
            store.identity()
        except BaseException:
            store.close()
            raise
        return cls(store, folder, embeddings, minimum)

    @classmethod
    def rebuild(
        cls,
        folder: Path,
        embeddings: Embeddings,
        identity: str,
        *,
        minimum: float = MINIMUM_COSINE,
    ) -> Self:
        """Embed everything in the index anew, swap it in, and open it.

        The old index answers until the new one is complete.

        Raises:
            IndexMissingError: there is no index in the folder.
            RetrievalError: another process is writing to it.
        """
        from retrieval import store as stores  # importing Chroma takes a second

        if not folder.is_dir():
            raise IndexMissingError(
                f"There is no index at {str(folder)!r}. Run: assist index add PATH"
            )
        with closing(stores.Store(folder)) as old, old.writing():
            generation = stores.next_generation(folder)
            with closing(stores.Store(folder, identity, generation=generation)) as new:
                new.identity()
                for entries in pages(old):
                    write(new, entries, embeddings)
            stores.use_generation(folder, generation)
        return cls.open(folder, embeddings, identity, minimum=minimum)

    def add(self, documents: Iterable[Document]) -> AddReport:
        """Add documents; what is there already is left alone, a changed document is replaced.

        Raises:
            DocumentError: from `documents`; earlier batches stay, so repair it and add again.
            RetrievalError: another process is writing to the index.
        """
        counts: Counter[str] = Counter()
        with self._store.writing():
            for batch in batches(documents):
                counts.update(self._add_batch(batch))
        return AddReport(counts["added"], counts["changed"], counts["unchanged"], counts["chunks"])

    def _add_batch(self, batch: Mapping[str, list[Entry]]) -> dict[str, int]:
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
        return {
            "added": len(new),
            "changed": len(changed),
            "unchanged": len(batch) - len(new) - len(changed),
            "chunks": len(entries),
        }

    def search(
        self, query: str, *, course: str = "", attach: Attach = "", limit: int = 4
    ) -> list[Source]:
        """Return the best passages that a course may see, best first.

        Args:
            query: a question or a whole assignment; its first 4,000 characters count.
            course: sees its own documents and those without a course; empty only the latter.
            attach: "plan" or "solution" hands over that section too, one source a document.
            limit: the most sources to return.

        Raises:
            IndexMissingError: nothing has been indexed yet.
        """
        if not self._store.run(lambda collection: collection.count()):
            raise IndexMissingError("Nothing is indexed yet. Run: assist index add PATH")
        head = query[:_QUERY_HEAD].encode("utf-8", "replace").decode()
        if limit < 1 or not head.strip():
            return []
        vector = self._embeddings.embed_query(head)
        if not any(vector):
            return []
        asked = Asked(
            vector=vector,
            where=where_in(course=sorted({"", course}), section=_SEARCHED[attach]),
            limit=limit,
            per_document=1 if attach else 2,
            minimum=self._minimum,
        )
        return self._store.run(partial(find_sources, asked=asked, attach=attach))

    def stats(self) -> IndexStats:
        """Count what the index holds."""
        documents: dict[str, Row] = {}
        chunks = 0
        for entries in pages(self._store):
            chunks += len(entries)
            documents.update((entry.row["document_id"], entry.row) for entry in entries)
        courses = Counter(row["course"] for row in documents.values())
        languages = Counter(row["language"] for row in documents.values())
        return IndexStats(
            documents=len(documents),
            chunks=chunks,
            courses=dict(sorted(courses.items())),
            languages=dict(sorted(languages.items())),
            embedding=self._store.identity(),
            path=self._folder,
        )

    def close(self) -> None:
        """Let go of the files; the next use opens them again."""
        self._store.close()
