"""What is compared with the index: plain BM25, LangChain's retrievers, and dense vectors alone.

Each takes the texts of one collection and returns the ten best documents for a query.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from chromadb import PersistentClient
from chromadb.config import Settings as ChromaSettings
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever

from agent.evaluation import Collection, Ranking, index_texts, open_index, search_index
from agent.models.embeddings import IndexEmbeddings
from retrieval.index import AssignmentIndex

Search = Callable[[str], Ranking]

DEPTH = 10
OURS = "Assignment Assistant"
PLAIN = "BM25 (bm25s)"
COMMUNITY = "BM25Retriever (langchain-community)"
ENSEMBLE = "EnsembleRetriever 50/50 (langchain-classic)"
DENSE = "dense alone (Chroma)"
PACKAGES: Mapping[str, Sequence[str]] = {
    OURS: ["bm25s", "chromadb", "onnxruntime", "wordllama"],
    PLAIN: ["bm25s", "pystemmer"],
    COMMUNITY: ["langchain-community", "rank-bm25"],
    ENSEMBLE: ["langchain-classic", "langchain-community", "rank-bm25"],
    DENSE: ["chromadb"],
}
"""What each needs; the figures are stated with the versions."""
_MODULES: Mapping[str, Sequence[str]] = {
    COMMUNITY: ["langchain_community.retrievers", "rank_bm25"],
    ENSEMBLE: ["langchain_community.retrievers", "langchain_classic.retrievers", "rank_bm25"],
}


class DenseRetriever(BaseRetriever):
    """Chroma's nearest vectors, as a LangChain retriever."""

    collection: Any
    embeddings: Any

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        found = self.collection.query(
            query_embeddings=[self.embeddings.embed_query(query)], n_results=DEPTH
        )
        pairs = zip(found["ids"][0], found["documents"][0], strict=True)
        return [Document(text, metadata={"id": key}) for key, text in pairs]


def missing() -> dict[str, str]:
    """Return the rivals that are not installed, each with what to do."""
    found = {}
    for name, modules in _MODULES.items():
        try:
            for module in modules:
                _load(module)
        except ImportError as error:
            found[name] = f"{error.name} is missing; run: pip install 'assignment-assistant[bench]'"
    return found


def _load(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # langchain-community announces its end
        return import_module(module)


@contextmanager
def opened_index(
    collection: Collection, made: IndexEmbeddings, folder: Path
) -> Iterator[tuple[AssignmentIndex, Search]]:
    """Index a collection in an empty folder."""
    with closing(open_index(folder / "index", made)) as index:
        known = index_texts(index, collection, folder)
        yield index, lambda query: search_index(index, known, query, DEPTH)


@contextmanager
def opened_rivals(
    collection: Collection, embeddings: Embeddings, folder: Path
) -> Iterator[dict[str, Search]]:
    """Open every rival that is installed."""
    keys = list(collection.texts)
    texts = [text.text for text in collection.texts.values()]
    absent = missing()
    rivals = {PLAIN: plain(keys, texts)}
    client = PersistentClient(folder / "dense", settings=ChromaSettings(anonymized_telemetry=False))
    try:
        dense = DenseRetriever(
            collection=_filled(client, keys, texts, embeddings), embeddings=embeddings
        )
        if COMMUNITY not in absent:
            rivals[COMMUNITY] = _ranked(_community(keys, texts))
        if ENSEMBLE not in absent:
            made = _load("langchain_classic.retrievers").EnsembleRetriever(
                retrievers=[_community(keys, texts), dense], weights=[0.5, 0.5], id_key="id"
            )
            rivals[ENSEMBLE] = _ranked(made)
        rivals[DENSE] = lambda query: _nearest(dense.collection, embeddings.embed_query(query))
        yield rivals
    finally:
        client.close()  # type: ignore[attr-defined]  # the declared interface has no close


def plain(keys: Sequence[str], texts: Sequence[str]) -> Search:
    """Open bm25s as its own pages show it: English stemmer and stop words, all else as it comes."""
    bm25s, stemmer = _load("bm25s"), _load("Stemmer").Stemmer("english")

    def words(of: list[str]) -> Any:
        return bm25s.tokenize(of, stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25()
    index.index(words(list(texts)), show_progress=False)
    depth = min(DEPTH, len(keys))

    def search(query: str) -> Ranking:
        found, scores = index.retrieve(words([query]), k=depth, show_progress=False)
        return [
            (keys[n], float(score))
            for n, score in zip(found[0], scores[0], strict=True)
            if score > 0
        ]

    return search


def _community(keys: Sequence[str], texts: Sequence[str]) -> Any:
    retriever = _load("langchain_community.retrievers").BM25Retriever
    return retriever.from_texts(texts, metadatas=[{"id": key} for key in keys], k=DEPTH)


def _ranked(retriever: Any) -> Search:
    def search(query: str) -> Ranking:
        found = retriever.invoke(query)[:DEPTH]
        return [(document.metadata["id"], -float(n)) for n, document in enumerate(found)]

    return search


def _filled(client: Any, keys: list[str], texts: list[str], embeddings: Embeddings) -> Any:
    """Make a collection of whole texts, as Chroma makes it when it is told nothing else."""
    collection = client.create_collection(
        "texts", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    vectors = embeddings.embed_documents(texts)
    step = client.get_max_batch_size()
    for start in range(0, len(keys), step):
        part = slice(start, start + step)
        collection.add(ids=keys[part], embeddings=vectors[part], documents=texts[part])
    return collection


def _nearest(collection: Any, vector: Sequence[float]) -> Ranking:
    found = collection.query(query_embeddings=[vector], n_results=DEPTH)
    pairs = zip(found["ids"][0], found["distances"][0], strict=True)
    return [(key, 1.0 - distance) for key, distance in pairs]
