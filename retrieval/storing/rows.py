"""What Chroma keeps for a chunk, and how it gets in and out.

It knows chunks, vectors and stores; it knows nothing of queries, folders or servers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NotRequired, Protocol, TypedDict, TypeVar, cast

from retrieval.reading.chunks import split_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Where
    from langchain_core.embeddings import Embeddings
    from numpy import float32
    from numpy.typing import NDArray

    from retrieval.reading.documents import Document
    from retrieval.sources import Section

T = TypeVar("T")

_BATCH = 512
_ASKED = 1_000
"""How many ids a filter names; SQLite takes 32,766 values, Chroma Cloud fewer."""


class Stored(Protocol):
    """What is used here of a store, be it in a folder or on a server."""

    page_size: int
    """How many chunks are read at once."""
    batch_size: int
    """How many chunks are written at once."""

    def read(self, work: Callable[[Collection], T]) -> tuple[object, T]:
        """Do some work that only reads, and return it with the stamp of what it saw."""
        ...

    def run(self, work: Callable[[Collection], T]) -> T:
        """Do some work that only reads."""
        ...

    def write(self, work: Callable[[Collection], T], *, forgets: bool = False) -> T:
        """Do some work that changes the collection."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Be the only writer."""
        ...


class Row(TypedDict):
    """What Chroma keeps beside a chunk's text and vector."""

    document_id: str
    name: str
    """The file as a reader knows it; the same name may stand in two courses."""
    title: str
    language: str
    framework: str
    topic: str
    complexity: str
    course: str
    kind: str
    term: str
    author: str
    consent: str
    actual_minutes: NotRequired[int]
    section: Section
    place: str
    position: int
    flags: str
    """What is suspicious in the whole document, joined by commas; empty: nothing."""
    released: bool
    """Whether a person let a suspicious document be searched."""
    indexed_at: str
    """When the document was added or last changed, in UTC with `Z`."""
    digest: str
    """Of the whole document; it is unchanged if all its chunks are there and carry this."""


_ABSENT: dict[str, str | bool] = {
    "name": "",
    "kind": "assignment",
    "term": "",
    "author": "",
    "consent": "",
    "flags": "",
    "released": False,
    "indexed_at": "",
}
"""What a row is taken to say that was written before these keys were there."""


class Entry(NamedTuple):
    """One chunk as Chroma keeps it, without its vector."""

    chunk_id: str
    text: str
    row: Row


class Contents(NamedTuple):
    """Everything that a store held at one moment."""

    stamp: object
    """Of that moment: while the store's is equal, this is what it holds."""
    entries: list[Entry]
    """In the order of documents and of their chunks, which is the same in every process."""
    vectors: NDArray[float32]
    """One row for each entry."""


def batches(documents: Iterable[Document]) -> Iterator[dict[str, list[Entry]]]:
    """Split documents and gather them, by id, until they are worth a write."""
    batch: dict[str, list[Entry]] = {}
    for document in documents:
        batch[document.document_id] = _entries(document)
        if len(batch) >= _BATCH or sum(map(len, batch.values())) >= _BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch


def _entries(document: Document) -> list[Entry]:
    from retrieval.reading.suspicion import flags_of

    chunks = split_document(document)
    header = (document.title, document.name, document.language, document.framework, document.topic)
    flags = ",".join(flags_of("\n".join((*header, document.text))))
    content = json.dumps([asdict(document), [asdict(chunk) for chunk in chunks], flags])
    common = Row(
        document_id=document.document_id,
        name=document.name,
        title=document.title,
        language=document.language,
        framework=document.framework,
        topic=document.topic,
        complexity=document.complexity,
        course=document.course,
        kind=document.kind,
        term=document.term,
        author=document.author,
        consent=document.consent,
        section="text",
        place=document.name,
        position=0,
        flags=flags,
        released=False,
        indexed_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        digest=sha256(content.encode()).hexdigest(),
    )
    if document.actual_minutes is not None:
        common["actual_minutes"] = document.actual_minutes
    return [
        Entry(
            chunk.chunk_id,
            chunk.text,
            {**common, "section": chunk.section, "place": chunk.place, "position": chunk.position},
        )
        for chunk in chunks
    ]


def _embedded(entry: Entry) -> str:
    """Return the text that a chunk's vector is made of: a chunk alone forgets what it is about."""
    row = entry.row
    title = "" if row["title"].removesuffix("…") in entry.text else row["title"]
    return "\n".join(filter(None, (title, told(entry))))


def told(entry: Entry) -> str:
    """Return the text of a chunk under what is known of its document."""
    row = entry.row
    kind = " ".join(filter(None, (row["language"], row["framework"], row["topic"])))
    return "\n".join(filter(None, (kind, entry.text)))


def write(
    store: Stored, entries: Sequence[Entry], embeddings: Embeddings, *, replaced: Sequence[str] = ()
) -> None:
    """Embed chunks and write them, in place of all chunks of the replaced documents."""
    vectors = embeddings.embed_documents([_embedded(entry) for entry in entries])
    put(store, entries, vectors, replaced=replaced)


def put(
    store: Stored,
    entries: Sequence[Entry],
    vectors: Sequence[Sequence[float]] | NDArray[float32],
    *,
    replaced: Sequence[str] = (),
) -> None:
    """Write chunks with their vectors, in place of all chunks of the replaced documents.

    The new ones are written first: no document is lost where that fails or is cut short.
    """

    def work(collection: Collection) -> None:
        for start in range(0, len(entries), store.batch_size):
            part = slice(start, start + store.batch_size)
            collection.upsert(
                ids=[entry.chunk_id for entry in entries[part]],
                embeddings=cast("list[Sequence[float]]", vectors[part]),
                documents=[entry.text for entry in entries[part]],
                metadatas=[_told(entry.row) for entry in entries[part]],
            )
        if replaced:
            there = collection.get(where=where_in(document_id=replaced), include=[])["ids"]
            left = sorted(set(there) - {entry.chunk_id for entry in entries})
            for gone in _parts(left, store.batch_size):
                collection.delete(ids=gone)

    store.write(work, forgets=bool(replaced))


def _told(row: Row) -> dict[str, str | int | None]:
    """Name every key: of a chunk that is there, Chroma keeps the value of one left out."""
    return {"actual_minutes": None, **cast("dict[str, str | int]", row)}


def remove(store: Stored, document_ids: Sequence[str]) -> int:
    """Take documents out, and return how many of them were there; see `renewal.writing`."""

    def work(collection: Collection) -> None:
        for part in _parts(there):
            collection.delete(where=where_in(document_id=part))

    with store.writing():
        there = list(store.run(partial(digests_of, document_ids=document_ids)))
        if there:
            store.write(work, forgets=True)
    return len(there)


def release(store: Stored, document_ids: Sequence[str]) -> int:
    """Let suspicious documents be searched, and return how many of them are there."""

    def work(collection: Collection) -> None:
        for part in _parts(chunk_ids, store.batch_size):
            collection.update(ids=part, metadatas=[{"released": True} for _ in part])

    with store.writing():
        asked = set(document_ids)
        held = [one for one in snapshot(store).entries if one.row["document_id"] in asked]
        chunk_ids = [entry.chunk_id for entry in held]
        if chunk_ids:
            store.write(work)
    return len({entry.row["document_id"] for entry in held})


def _parts(ids: Sequence[str], size: int = _ASKED) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def snapshot(store: Stored) -> Contents:
    """Read everything that a store holds, at one moment."""
    import numpy as np  # importing this module stays cheap

    stamp, pages = store.read(lambda collection: list(_pages(collection, store.page_size)))
    entries = [entry for page, _ in pages for entry in page]
    order = sorted(range(len(entries)), key=lambda number: _order(entries[number]))
    vectors = np.concatenate([page for _, page in pages])[order] if pages else np.empty((0, 0))
    return Contents(stamp, [entries[number] for number in order], vectors.astype(np.float32))


def _order(entry: Entry) -> tuple[str, int]:
    return entry.row["document_id"], entry.row["position"]


def _pages(collection: Collection, size: int) -> Iterator[tuple[list[Entry], NDArray[float32]]]:
    import numpy as np

    offset = 0
    while True:
        found = collection.get(
            limit=size, offset=offset, include=["documents", "metadatas", "embeddings"]
        )
        if not found["ids"]:
            return
        texts = found["documents"] or []
        rows = [cast("Row", {**_ABSENT, **row}) for row in found["metadatas"] or []]
        entries = [Entry(*entry) for entry in zip(found["ids"], texts, rows, strict=True)]
        yield entries, np.asarray(found["embeddings"], dtype=np.float32)
        offset += len(entries)


def digests_of(collection: Collection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the digest on each stored chunk of some documents."""
    digests: defaultdict[str, list[str]] = defaultdict(list)
    for part in _parts(document_ids):
        found = collection.get(where=where_in(document_id=part), include=["metadatas"])
        for row in cast("list[Row]", found["metadatas"]):
            digests[row["document_id"]].append(row["digest"])
    return digests


def where_in(**allowed: Sequence[str]) -> Where:
    """Return the filter that every key has one of its values; Chroma wants none of it empty."""
    parts = [{key: {"$in": list(values)}} for key, values in allowed.items()]
    return cast("Where", parts[0] if len(parts) == 1 else {"$and": parts})
