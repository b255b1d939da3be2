"""What Chroma keeps for a chunk, and how it gets in and out.

It knows chunks, vectors and the store; it knows nothing of queries.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from retrieval.chunks import split_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Where
    from langchain_core.embeddings import Embeddings

    from retrieval.documents import Document
    from retrieval.sources import Section
    from retrieval.store import Store

_BATCH = 512
_PAGE = 1_000


class Row(TypedDict):
    """What Chroma keeps beside a chunk's text and vector."""

    document_id: str
    title: str
    language: str
    framework: str
    topic: str
    complexity: str
    course: str
    section: Section
    place: str
    position: int
    digest: str
    """Of the whole document; it is unchanged if all its chunks are there and carry this."""


class Entry(NamedTuple):
    """One chunk as Chroma keeps it, without its vector."""

    chunk_id: str
    text: str
    row: Row


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
    chunks = split_document(document)
    content = json.dumps([asdict(document), [asdict(chunk) for chunk in chunks]])
    digest = sha256(content.encode()).hexdigest()
    return [
        Entry(
            chunk.chunk_id,
            chunk.text,
            Row(
                document_id=document.document_id,
                title=document.title,
                language=document.language,
                framework=document.framework,
                topic=document.topic,
                complexity=document.complexity,
                course=document.course,
                section=chunk.section,
                place=chunk.place,
                position=chunk.position,
                digest=digest,
            ),
        )
        for chunk in chunks
    ]


def _embedded(entry: Entry) -> str:
    """Return the text that a chunk's vector is made of: a chunk alone forgets what it is about."""
    row = entry.row
    kind = " ".join(filter(None, (row["language"], row["framework"], row["topic"])))
    return "\n".join(filter(None, (row["title"], kind, entry.text)))


def write(
    store: Store, entries: Sequence[Entry], embeddings: Embeddings, *, replaced: Sequence[str] = ()
) -> None:
    """Embed chunks and write them, in place of all chunks of the replaced documents."""
    vectors = embeddings.embed_documents([_embedded(entry) for entry in entries])

    def work(collection: Collection) -> None:
        if replaced:
            collection.delete(where=where_in(document_id=replaced))
        for start in range(0, len(entries), store.batch_size):
            part = slice(start, start + store.batch_size)
            collection.upsert(
                ids=[entry.chunk_id for entry in entries[part]],
                embeddings=cast("list[Sequence[float]]", vectors[part]),
                documents=[entry.text for entry in entries[part]],
                metadatas=[cast("dict[str, str | int]", entry.row) for entry in entries[part]],
            )

    store.write(work)


def pages(store: Store) -> Iterator[list[Entry]]:
    """Read everything that a store holds."""
    offset = 0
    while entries := store.run(partial(_page, offset=offset)):
        yield entries
        offset += len(entries)


def _page(collection: Collection, offset: int) -> list[Entry]:
    found = collection.get(limit=_PAGE, offset=offset, include=["documents", "metadatas"])
    texts, rows = found["documents"] or [], cast("list[Row]", found["metadatas"] or [])
    return [Entry(*entry) for entry in zip(found["ids"], texts, rows, strict=True)]


def digests_of(collection: Collection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the digest on each stored chunk of some documents."""
    found = collection.get(where=where_in(document_id=document_ids), include=["metadatas"])
    digests: defaultdict[str, list[str]] = defaultdict(list)
    for row in cast("list[Row]", found["metadatas"]):
        digests[row["document_id"]].append(row["digest"])
    return digests


def where_in(**allowed: Sequence[str]) -> Where:
    """Return the filter that every key has one of its values; Chroma wants none of it empty."""
    parts = [{key: {"$in": list(values)}} for key, values in allowed.items()]
    return cast("Where", parts[0] if len(parts) == 1 else {"$and": parts})
