"""The four signals, how they are put together, and what is told of each."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from retrieval import Profile
from retrieval.embedding.local import LocalEmbeddings, WordVectors
from retrieval.search.profiles import LOCAL, MINILM, SERVED
from retrieval.search.ranking import Candidate, Ranker
from retrieval.search.signals import Matching, Meaning, terms_of

if TYPE_CHECKING:
    from retrieval.search.signals import Floats

TEXTS = {
    "hash": "def check_password(password, digest):\n    return bcrypt.verify(password, digest)",
    "graph": "Find the shortest path between two cities with Dijkstra's algorithm.",
    "chart": "Draw a bar chart of the sales of each month with matplotlib.",
    "queue": "A queue and a stack, both on a linked list.",
}
NAMES = list(TEXTS)


@pytest.fixture(scope="module")
def vectors(embeddings: LocalEmbeddings) -> "Floats":
    """Return the vectors of the texts."""
    return np.array(embeddings.embed_documents(list(TEXTS.values())), np.float32)


def ranker(vectors: "Floats", profile: Profile = LOCAL) -> Ranker:
    """Make a ranker of the texts."""
    return Ranker(
        [terms_of(text, title="") for text in TEXTS.values()], vectors, WordVectors(), profile
    )


def ranked(
    vectors: "Floats",
    embeddings: LocalEmbeddings,
    query: str,
    *,
    profile: Profile = LOCAL,
    visible: list[bool] | None = None,
) -> list[Candidate]:
    """Rank the texts for a query."""
    seen = np.array(visible if visible is not None else [True] * len(TEXTS))
    return list(ranker(vectors, profile).rank(query, embeddings.embed_query(query), seen))


@pytest.mark.parametrize("profile", [LOCAL, MINILM, SERVED])
def test_weights_add_up_to_one(profile: Profile) -> None:
    """So a score is between 0 and 1 whatever the embedding."""
    assert profile.words + profile.grams + profile.meaning + profile.vector == pytest.approx(1)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("check password", "hash"),
        ("verifyPassword", "hash"),
        ("shortest paths", "graph"),
        ("bar charts", "chart"),
        ("linked lists and stacks", "queue"),
    ],
)
def test_query_finds_its_text(
    vectors: "Floats", embeddings: LocalEmbeddings, query: str, name: str
) -> None:
    """Stems and parts of identifiers match."""
    assert NAMES[ranked(vectors, embeddings, query)[0].number] == name


def test_parts_add_up_to_the_score(vectors: "Floats", embeddings: LocalEmbeddings) -> None:
    """What is shown as the reason is what was counted."""
    for candidate in ranked(vectors, embeddings, "draw the shortest path"):
        assert sum(candidate.parts.values()) == pytest.approx(candidate.score, abs=1e-6)
        assert 0 < candidate.score <= 1 + 1e-6
        assert set(candidate.parts) == {"words", "grams", "meaning", "vector"}


def test_signal_of_no_weight_adds_nothing(vectors: "Floats", embeddings: LocalEmbeddings) -> None:
    """A profile decides which signals count."""
    only = Profile(words=1, grams=0, meaning=0, vector=0, in_code=1, minimum=0)
    found = ranked(vectors, embeddings, "queue", profile=only)
    assert [NAMES[candidate.number] for candidate in found] == ["queue"]
    assert found[0].parts == {"words": 1, "grams": 0, "meaning": 0, "vector": 0}


def test_matched_words_are_those_of_the_query(
    vectors: "Floats", embeddings: LocalEmbeddings
) -> None:
    """They are spelled as the student spelled them, and only those that the text has."""
    first = ranked(vectors, embeddings, "drawing monthly Charts in colour")[0]
    assert first.matched == ["drawing", "monthly", "charts"]


def test_hidden_texts_have_no_part(vectors: "Floats", embeddings: LocalEmbeddings) -> None:
    """They are not found, and the scale does not show that they are there."""
    found = ranked(vectors, embeddings, "password", visible=[False, True, True, True])
    assert "hash" not in [NAMES[candidate.number] for candidate in found]
    assert ranked(vectors, embeddings, "password", visible=[False] * 4) == []


def test_one_text_that_fits_scores_one(vectors: "Floats", embeddings: LocalEmbeddings) -> None:
    """Where there is nothing to compare with, what matches is the best."""
    (only,) = ranked(vectors, embeddings, "linked list", visible=[False, False, False, True])
    assert only.score == pytest.approx(1)


def test_closeness_tells_what_fits(vectors: "Floats", embeddings: LocalEmbeddings) -> None:
    """A score compares within a search; closeness compares with what is not there."""
    near = ranked(vectors, embeddings, "draw a bar chart")[0]
    assert near.closeness > LOCAL.minimum
    assert ranked(vectors, embeddings, "recipes for banana bread") == []
    anything = LOCAL._replace(minimum=0)
    far = ranked(vectors, embeddings, "recipes for banana bread", profile=anything)
    assert 0 < max(candidate.closeness for candidate in far) < LOCAL.minimum


def test_more_chunks_than_the_best_are_scaled_from_the_last_of_them() -> None:
    """What is not among the best 60 of any signal is not a candidate."""
    texts = [f"alpha {'alpha ' * number}" for number in range(100)]
    many = Ranker(
        [terms_of(text, title="") for text in texts],
        np.eye(100, dtype=np.float32),
        WordVectors(),
        Profile(words=0, grams=0, meaning=0, vector=1, in_code=1, minimum=0),
    )
    vector = [0.01 * number for number in range(100)]
    numbers = [c.number for c in many.rank("alpha", vector, np.ones(100, np.bool_))]
    assert numbers == list(range(99, 40, -1))


def test_matching_is_bm25_with_lucenes_idf() -> None:
    """Worked out by hand for one term: idf x tf / (tf + k1 (1 - b + b length / mean))."""
    matching = Matching([["a", "b"], ["a", "a", "c", "d"], ["e"]], k1=1.2)
    idf = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean = 7 / 3
    expected = [
        idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean)),
        idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 4 / mean)),
        0,
    ]
    assert matching.score(["a", "unknown"]) == pytest.approx(expected, rel=1e-5)
    assert matching.score(["a", "a"]) == pytest.approx(2 * np.array(expected), rel=1e-5)
    part = (1 + idf) / (1 + idf + 1 + np.log(1 + 3.5 / 0.5))
    assert matching.share(["a", "unknown"]) == pytest.approx([part, part, 0])
    assert matching.share([]).tolist() == [0, 0, 0]


def test_lexical_signals_count_less_among_code(
    vectors: "Floats", embeddings: LocalEmbeddings
) -> None:
    """A question's words are not those of code, so its vector gets a part of their weight."""
    half = LOCAL._replace(in_code=0.5)
    code = ranked(vectors, embeddings, "check password", profile=half, visible=[True] + [False] * 3)
    assert code[0].parts["words"] == pytest.approx(LOCAL.words / 2)
    assert code[0].parts["vector"] == pytest.approx(0.5 + LOCAL.vector / 2)
    prose = ranked(
        vectors, embeddings, "shortest path", profile=half, visible=[False, True, False, False]
    )
    assert prose[0].parts["words"] == pytest.approx(LOCAL.words)


def test_documents_without_a_term_are_no_error() -> None:
    """A text of signs alone has no words."""
    assert Matching([[], []], k1=1.2).score(["a"]).tolist() == [0, 0]
    assert Matching([], k1=1.2).score(["a"]).tolist() == []
    meaning = Meaning([[], ["list"]], WordVectors())
    assert meaning.score(["list"]) == pytest.approx([0, 1], abs=1e-5)
    assert meaning.score([]).tolist() == [0, 0]


def test_meaning_finds_words_that_no_document_has() -> None:
    """`automobile` is near `car` though it is never written."""
    meaning = Meaning([["car", "engine"], ["bread", "flour"]], WordVectors())
    car, bread = meaning.score(["automobile"])
    assert car > bread


def test_word_vectors_of_documents_are_kept_and_those_of_questions_not() -> None:
    """What a student asked does not stay in memory."""
    words = WordVectors()
    first = words(["list", "tree"], keep=True)
    assert words(["tree", "secret"])[0].tolist() == first[1].tolist()
    assert set(words._kept) == {"list", "tree"}
    words(["tree"], keep=True)
    assert set(words._kept) == {"tree"}
