"""What the four signals of a search are worth beside the vectors of one embedding.

The numbers and how they were found stand in docs/retrieval.md.
"""

from typing import NamedTuple


class Profile(NamedTuple):
    """What the signals are worth beside the vectors of one embedding.

    The first four, the weights, add up to 1.
    """

    words: float
    """BM25 over the stems of words."""
    grams: float
    """BM25 over runs of four characters."""
    meaning: float
    """Cosine of sums of static word vectors."""
    vector: float
    """Cosine of the embedding's own vectors, as Chroma holds them."""
    in_code: float
    """The part of the first three's weight that stays where the nearest vectors are of code, whose
    words are not the question's; the vectors get the rest."""
    minimum: float
    """Nothing is found where no chunk is as close, see `ranking.Candidate.closeness`."""


LOCAL = Profile(words=4 / 11, grams=3 / 11, meaning=3 / 11, vector=1 / 11, in_code=1, minimum=0.25)
MINILM = Profile(words=0.2, grams=0.25, meaning=0, vector=0.55, in_code=0.65, minimum=0.25)
SERVED = MINILM
"""Unmeasured: no served embedding could be reached. As good as MiniLM is the least to expect."""
