"""Rank chunks for a query: four signals, each scaled over its own best, added by weight.

It knows the signals and which chunks may be seen; it knows nothing of Chroma or of sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from retrieval.search.signals import Matching, Meaning, cosines, terms_of_query
from retrieval.search.words import split_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from retrieval.search.profiles import Profile
    from retrieval.search.signals import Bools, Floats, Terms, Vectors

_BEST = 60
"""How many of a signal's best chunks get more than 0 from it."""
_K1_WORDS = 1.2
_K1_GRAMS = 1.5
_LEXICAL = ("words", "grams", "meaning")
_NEAREST = 10
"""Of so many chunks it is looked at whether they are code."""
_TINY = 1e-9
_STILL_FITS = 0.6
"""The part of the minimum that a chunk has to reach where another one reaches all of it."""
_COVERED = 0.25
"""What a chunk that has all of a query's words is worth beside cosines."""


class Candidate(NamedTuple):
    """A chunk that may answer a query."""

    number: int
    """Its place among the ranker's chunks."""
    score: float
    """0 to 1, for comparing candidates of one query alone: it is 1 where all signals agree."""
    parts: dict[str, float]
    """What each signal adds to the score."""
    matched: list[str]
    """The words of the query that it has, as the query spells them; those that say most first."""
    closeness: float
    """For telling whether it fits at all: the mean of both cosines, or the vectors' where word
    vectors do not count, and a quarter of the share of the query's words that it has, by idf."""


class Ranker:
    """Ranks a fixed list of chunks; changed chunks need a new one."""

    def __init__(
        self, terms: Sequence[Terms], vectors: Floats, words: Vectors, profile: Profile
    ) -> None:
        """Build the signals.

        Args:
            terms: what each chunk is searched by.
            vectors: a row for each chunk, of the embedding.
            words: gives the static vectors of words.
            profile: what the signals are worth.
        """
        self._terms = terms
        self._profile = profile
        self._is_code = np.array([each.is_code for each in terms], np.bool_)
        self._vectors = _unit(vectors)
        self._words = Matching([each.stems for each in terms], k1=_K1_WORDS)
        self._grams = Matching([each.grams for each in terms], k1=_K1_GRAMS)
        self._meaning = Meaning([each.words for each in terms], words) if profile.meaning else None

    def rank(self, query: str, vector: Sequence[float], visible: Bools) -> Iterator[Candidate]:
        """Return the visible chunks that fit, best first.

        What is hidden has no part in the scale; it has one in the idf of terms, which is of all.

        Args:
            query: what is searched for.
            vector: its vector, of the embedding that the chunks' vectors are of.
            visible: for each chunk whether it may be found.
        """
        asked = terms_of_query(query)
        signals = {name: values[visible] for name, values in self._signals(asked, vector).items()}
        closeness = (signals["meaning"] + signals["vector"]) / 2
        closeness += _COVERED * self._words.share(asked.stems)[visible]
        if closeness.max(initial=0) < self._profile.minimum:
            return
        weights = self._weigh(signals["vector"], self._is_code[visible])
        parts = {name: weights[name] * _scaled(values) for name, values in signals.items()}
        total = np.sum(list(parts.values()), axis=0)
        total[closeness < _STILL_FITS * self._profile.minimum] = 0
        numbers = np.flatnonzero(visible)
        own = self._telling(asked, set(split_words(query)))
        for at in np.argsort(-total, kind="stable"):
            if total[at] <= 0:
                return
            yield Candidate(
                number=int(numbers[at]),
                score=float(total[at]),
                parts={name: float(part[at]) for name, part in parts.items()},
                matched=_matched(own, self._terms[numbers[at]]),
                closeness=float(closeness[at]),
            )

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self._vectors.shape[1])

    def likeness(self, one: int, other: int) -> float:
        """Return the share of runs of characters that two chunks have in common, 1 for all."""
        first, second = set(self._terms[one].grams), set(self._terms[other].grams)
        return len(first & second) / max(len(first | second), 1)

    def _signals(self, asked: Terms, vector: Sequence[float]) -> dict[str, Floats]:
        nearness = cosines(self._vectors, _unit(np.array(vector, np.float32)))
        return {
            "words": self._words.score(asked.stems),
            "grams": self._grams.score(asked.grams),
            "meaning": self._meaning.score(asked.words) if self._meaning else nearness,
            "vector": nearness,
        }

    def _telling(self, asked: Terms, own: set[str]) -> dict[str, str]:
        """Return the stem of each word of the query itself, those that say most first."""
        spelled = zip(asked.words, asked.stems, strict=True)
        stems = {word: stem for word, stem in spelled if word in own}
        return dict(sorted(stems.items(), key=lambda pair: -self._words.idf(pair[1])))

    def _weigh(self, nearness: Floats, is_code: Bools) -> dict[str, float]:
        """Return the weights of the signals, where these chunks have these cosines."""
        nearest = np.argsort(-nearness, kind="stable")[:_NEAREST]
        kept = 1 - (1 - self._profile.in_code) * float(is_code[nearest].mean())
        weights = {name: kept * getattr(self._profile, name) for name in _LEXICAL}
        return {**weights, "vector": 1 - sum(weights.values())}


def _matched(own: Mapping[str, str], terms: Terms) -> list[str]:
    has = set(terms.stems)
    return [word for word, stem in own.items() if stem in has]


def _scaled(signal: Floats) -> Floats:
    """Scale to 0..1 between the last of the best, or 0 where there are fewer, and the best."""
    low = np.partition(signal, -_BEST)[-_BEST] if len(signal) >= _BEST else 0
    scaled: Floats = np.clip((signal - low) / max(float(signal.max(initial=0) - low), _TINY), 0, 1)
    return scaled


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Floats = (rows / np.maximum(lengths, _TINY)).astype(np.float32)
    return unit
