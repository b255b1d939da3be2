"""What makes a chunk fit a query: its words, its characters, the meaning of its words, its vector.

Each signal gives one number a chunk, in the order of the chunks; what the numbers are worth
against each other is decided in `ranking`. It knows texts and numbers, nothing of Chroma.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from sys import intern
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from retrieval.search.words import content_words, defined_names, grams, is_code, stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]


class Vectors(Protocol):
    """Gives the static vectors of words."""

    def __call__(self, words: Sequence[str], *, keep: bool = False) -> Floats:
        """Return a row of length 1 for each word; they may be kept for the next call."""


with warnings.catch_warnings():
    # It imports tqdm, which warns in every notebook that has no widgets.
    warnings.simplefilter("ignore")
    from bm25s import BM25

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG

_TITLE_TIMES = 3
"""How often the words of a title count beside the text's own."""


class Terms(NamedTuple):
    """What a text is searched by."""

    words: tuple[str, ...]
    """As they are spelled."""
    stems: tuple[str, ...]
    """Of the same words, in their order."""
    grams: tuple[str, ...]
    is_code: bool


def terms_of(text: str, title: str) -> Terms:
    """Return what a chunk is searched by; a title is what a piece of code defines, if it does."""
    name = defined_names(text) or title
    full = "\n".join([text, *[name] * _TITLE_TIMES])
    return _terms(content_words(full), grams(full), is_code=is_code(text))


def terms_of_query(query: str) -> Terms:
    """Return what a query searches for."""
    words, runs = content_words(query, is_query=True), grams(query, is_query=True)
    return _terms(words, runs, is_code=is_code(query))


def _terms(words: list[str], runs: list[str], *, is_code: bool) -> Terms:
    # Chunks share most of their terms, so each is kept once; and the garbage collector leaves
    # tuples of strings alone, while it would walk through lists of millions.
    return Terms(_kept(words), _kept(stems(words)), _kept(runs), is_code)


def _kept(terms: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(intern, terms))


class Matching:
    """BM25 with Lucene's idf over lists of terms."""

    def __init__(self, documents: Sequence[Sequence[str]], *, k1: float) -> None:
        self._size = len(documents)
        numbers: dict[str, int] = {}
        # The library's own pass over strings takes three times as long.
        ids = [[numbers.setdefault(term, len(numbers)) for term in terms] for terms in documents]
        self._numbers = numbers
        self._index = BM25(method="lucene", k1=k1, b=0.75)
        if numbers:
            self._index.index((ids, numbers), create_empty_token=False, show_progress=False)

    def score(self, terms: Iterable[str]) -> Floats:
        """Return the score of each document; terms that no document has do not count."""
        known = [self._numbers[term] for term in terms if term in self._numbers]
        if not known:
            return np.zeros(self._size, np.float32)
        scores: Floats = self._index.get_scores_from_ids(known)
        return scores

    def share(self, terms: Iterable[str]) -> Floats:
        """Return which part of the terms each document has, by 1 + idf; 1 for all of them."""
        shares = np.zeros(self._size, np.float32)
        total = 0.0
        for term in set(terms):
            worth = 1 + self.idf(term)  # among few documents, idf alone is next to nothing
            shares[self._having(term)] += worth
            total += worth
        return shares / np.float32(total or 1)

    def idf(self, term: str) -> float:
        """Return how much a term says."""
        return _idf(self._size, len(self._having(term)))

    def _having(self, term: str) -> NDArray[np.int32]:
        number = self._numbers.get(term)
        if number is None:
            return np.zeros(0, np.int32)
        index = self._index.scores
        having: NDArray[np.int32] = index["indices"][slice(*index["indptr"][number : number + 2])]
        return having


class Meaning:
    """The cosine of sums of word vectors, each word by its idf and 1 + log of its count."""

    def __init__(self, documents: Sequence[Sequence[str]], vectors: Vectors) -> None:
        counts = [Counter(words) for words in documents]
        frequency = Counter(word for count in counts for word in count)
        self._vectors = vectors
        self._numbers = {word: number for number, word in enumerate(frequency)}
        size = len(counts)
        self._idf = np.array([_idf(size, times) for times in frequency.values()], np.float32)
        self._unknown = np.float32(_idf(size, 0))
        self._words = vectors(list(frequency), keep=True)
        self._rows = np.zeros((size, self._words.shape[1]), np.float32)
        for row, count in zip(self._rows, counts, strict=True):
            row[:] = self._sum(count)

    def score(self, words: Iterable[str]) -> Floats:
        """Return the cosine of each document with some words."""
        return cosines(self._rows, self._sum(Counter(words)))

    def _sum(self, counts: Counter[str]) -> Floats:
        known = [word for word in counts if word in self._numbers]
        at = [self._numbers[word] for word in known]
        total = (self._idf[at] * _damped(counts, known)) @ self._words[at]
        if fresh := [word for word in counts if word not in self._numbers]:
            total = total + (self._unknown * _damped(counts, fresh)) @ self._vectors(fresh)
        length = float(np.linalg.norm(total)) or 1.0
        unit: Floats = (total / length).astype(np.float32)
        return unit


def cosines(rows: Floats, vector: Floats) -> Floats:
    """Return the product of each row with a vector; both are of length 1."""
    # `@` shares the work between threads that wait for each other: on two busy cores it took
    # 12 ms for 6,267 rows, and this 0.2.
    products: Floats = np.vecdot(rows, vector)
    return products


def _damped(counts: Counter[str], words: Iterable[str]) -> Floats:
    return np.array([1 + math.log(counts[word]) for word in words], np.float32)


def _idf(documents: int, frequency: int) -> float:
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
