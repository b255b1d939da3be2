"""MiniLM's sentence vectors as LangChain's embeddings, from a folder that was prepared.

It knows texts and vectors; `retrieval.embedding.weights` prepares the folder and reads it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from retrieval.search.words import respelled, telling_words

if TYPE_CHECKING:
    from retrieval.embedding.encoder import Encoder


class MiniLMEmbeddings(Embeddings):
    """Embed text with all-MiniLM-L6-v2 in 8 bits; the network is loaded at the first use.

    Each text is encoded twice, and its vector is the mean: a document as it is and with its
    identifiers and signs of code spelled out, a query as it is and without what is said of any
    program. The network knows prose, not code.
    """

    identity = "minilm:int8:l6-v2:384:respelled"
    """Names the vectors, so that an index is never searched with other ones."""

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        """Name the folder; nothing is read yet.

        Args:
            folder: what `retrieval.embedding.weights.prepare` has filled.
            threads: how many documents are embedded at the same time.
        """
        self._folder = folder
        self._threads = threads
        self._lock = Lock()
        self._encoder: Encoder | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text; all zeros for a text without a word.

        Raises:
            RetrievalError: the folder is not prepared, or a file in it is not the one made.
        """
        if not texts:
            return []
        self._loaded()
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(lambda text: self._mean(text, respelled(text)), texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self._mean(text, telling_words(text))

    def _mean(self, text: str, spelling: str) -> list[float]:
        """Return the direction between the vectors of a text and of another spelling of it."""
        import numpy as np

        encoder = self._loaded()
        vector = encoder.vector(text)
        if spelling != text and vector.any():
            vector = vector + encoder.vector(spelling)
            vector /= np.linalg.norm(vector)
        unit: list[float] = vector.tolist()
        return unit

    def _loaded(self) -> "Encoder":
        from retrieval.embedding.encoder import Encoder
        from retrieval.embedding.weights import read_prepared

        with self._lock:
            if self._encoder is None:
                files = read_prepared(self._folder)
                self._encoder = Encoder(files.network, files.tokenizer)
            return self._encoder
