"""Local embeddings: static word vectors that ship with a package and need no network.

It knows texts and vectors, nothing of documents or the index.
"""

import logging
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from langchain_core.embeddings import Embeddings

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

_BATCH = 16
"""A batch is padded to its longest text, so a small one keeps the memory low."""
_WORDS = 512
_DIMENSIONS = 256
_loading = Lock()


class _Model(Protocol):
    """What is used of wordllama, which has no type information."""

    def embed(self, texts: list[str], *, batch_size: int) -> "NDArray[float32]": ...


class LocalEmbeddings(Embeddings):
    """Embed text with wordllama's 256 dimensions; the vectors are loaded at the first use."""

    identity = "wordllama:l2_supercat:256"
    """Names the vectors, so that an index is never searched with other ones."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text; all zeros for a text without a word."""
        unit: list[list[float]] = _unit_vectors(texts).tolist()
        return unit

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]


class WordVectors:
    """The static vectors of single words; those of the documents are computed once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, NDArray[float32]] = {}

    def __call__(self, words: Sequence[str], *, keep: bool = False) -> "NDArray[float32]":
        """Return a row of length 1 for each word; all zeros for one that has no vector.

        Args:
            words: none of them twice.
            keep: remember these, and forget all others.
        """
        import numpy as np

        with self._lock:
            kept = self._kept
        new = [word for word in words if word not in kept]
        fresh = dict(zip(new, _unit_vectors(new, batch_size=_WORDS), strict=True))
        rows = np.empty((len(words), _DIMENSIONS), np.float32)
        for row, word in zip(rows, words, strict=True):
            row[:] = fresh[word] if word in fresh else kept[word]
        if keep:
            with self._lock:
                self._kept = dict(zip(words, rows, strict=True))
        return rows


def _unit_vectors(texts: list[str], *, batch_size: int = _BATCH) -> "NDArray[float32]":
    import numpy as np  # importing this module stays cheap

    if not texts:
        return np.zeros((0, _DIMENSIONS), np.float32)
    with _loading:
        model = _load()
    vectors = np.asarray(model.embed(texts, batch_size=batch_size), np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)
    return vectors


@cache
def _load() -> _Model:
    # Importing wordllama calls logging.basicConfig, which does nothing when a handler is there.
    root = logging.getLogger()
    guard = logging.NullHandler()
    root.addHandler(guard)
    try:
        package = import_module("wordllama")
    finally:
        root.removeHandler(guard)
    # The released wheel keeps its tokenizer where only a cache folder is looked for.
    folder = Path(str(package.__file__)).parent
    return cast("_Model", package.WordLlama.load(cache_dir=folder, disable_download=True))
