"""Local embeddings: static word vectors that ship with a package and need no network.

It knows texts and vectors, nothing of documents or the index.
"""

import logging
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


class _Model(Protocol):
    """What is used of wordllama, which has no type information."""

    def embed(self, texts: list[str], *, batch_size: int) -> "NDArray[float32]": ...


class LocalEmbeddings(Embeddings):
    """Embed text with wordllama's 256 dimensions; the vectors are loaded at the first use."""

    identity = "wordllama:l2_supercat:256"
    """Names the vectors, so that an index is never searched with other ones."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._model: _Model | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text; all zeros for a text without a word."""
        if not texts:
            return []
        import numpy as np  # importing this module stays cheap

        vectors = self._loaded().embed(texts, batch_size=_BATCH)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: list[list[float]] = (vectors / np.where(lengths > 0, lengths, 1)).tolist()
        return unit

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    def _loaded(self) -> _Model:
        with self._lock:
            if self._model is None:
                self._model = _load()
            return self._model


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
