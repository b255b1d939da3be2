"""Copy what an index holds to a new place, so that what was removed is in no file of it.

Chroma keeps deleted texts and vectors in its files, whatever it is asked: only files that
never held them are free of them. It knows stores and rows; it knows nothing of queries.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from retrieval.storing.rows import Stored, put, snapshot, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from langchain_core.embeddings import Embeddings

_BATCH = 512


class Renewable(Stored, Protocol):
    """What is used here of a store, be it in a folder or on a server."""

    @property
    def owing(self) -> bool:
        """Whether its files may hold what was removed or replaced."""
        ...

    def identity(self) -> str:
        """Return the embedding that the stored vectors are of."""
        ...

    def stamp(self) -> object:
        """Return what every write of any process changes."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...

    def renewed(self, identity: str) -> AbstractContextManager[Stored]:
        """Hand out an empty store, and put it in this one's place when it has been filled."""
        ...

    def sweep(self) -> None:
        """Delete what a killed process left of another renewal."""
        ...


@contextmanager
def writing(store: Renewable) -> Iterator[None]:
    """Be the only writer; at the end, what was removed or replaced is gone from the files too.

    If the process dies before that, the next writer does it.

    Raises:
        RetrievalError: another process is writing, or what was there cannot be deleted.
    """
    with store.writing():
        try:
            yield
        finally:
            store.sweep()
            if store.owing:
                renew(store, store.identity())


def renew(
    store: Renewable,
    identity: str,
    embeddings: Embeddings | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Copy everything to a new place and put that in use; the old one answers until then.

    Args:
        store: what is copied; to change the embedding, one that accepts any.
        identity: names the vectors of the copy.
        embeddings: makes them; without it, the vectors are copied as they are.
        on_progress: told how many chunks are copied, and how many there are.

    Raises:
        RetrievalError: another process is writing, or what was there cannot be deleted.
    """
    with store.writing():
        held = snapshot(store)
        total = len(held.entries)
        with store.renewed(identity) as successor:
            for start in range(0, total, _BATCH):
                part = slice(start, start + _BATCH)
                if embeddings is None:
                    put(successor, held.entries[part], held.vectors[part])
                else:
                    write(successor, held.entries[part], embeddings)
                if on_progress:
                    on_progress(min(start + _BATCH, total), total)
