"""Measures against figures worked out by hand, and what is wrong with a test collection."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InputError
from agent.evaluation import (
    Collection,
    Grades,
    Run,
    Text,
    check_trec_ids,
    figures_of,
    gain,
    memory_mb,
    read_collection,
    recall,
    reciprocal_rank,
    run_queries,
    trec_run,
)

DOCUMENTS: list[dict[str, Any]] = [
    {"id": "a", "text": "lists"},
    {"id": "b", "text": "trees"},
    {"id": 3, "text": "heaps"},
]
QUERIES = [{"id": "q1", "text": "list"}, {"id": "q2", "text": "tree"}]
QRELS = [{"query_id": "q1", "doc_ids": ["a"]}, {"query_id": "q2", "doc_ids": ["b", 3]}]

Write = Callable[..., Collection]
_ids = st.sampled_from("abcdefghijklmnop")
_rankings = st.lists(_ids, unique=True, max_size=16)
_grades = st.dictionaries(_ids, st.integers(1, 3), min_size=1)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the three files, each of rows or of a text, and read them as a collection."""

    def read(corpus: Any = DOCUMENTS, queries: Any = QUERIES, qrels: Any = QRELS) -> Collection:
        paths = []
        for name, rows in (("corpus", corpus), ("queries", queries), ("qrels", qrels)):
            paths.append(tmp_path / f"{name}.jsonl")
            text = rows if isinstance(rows, str | bytes) else "\n".join(map(json.dumps, rows))
            paths[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_collection(*paths)

    return read


@pytest.mark.parametrize(
    ("ranked", "grades", "expected"),
    [
        (["a"], {"a": 1}, 1.0),
        (["x", "a"], {"a": 1}, 1 / math.log2(3)),
        (["x", "a", "b"], {"a": 1, "b": 1}, (1 / math.log2(3) + 0.5) / (1 + 1 / math.log2(3))),
        (["b", "a"], {"a": 3, "b": 1}, (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))),
        ([*"mnopqrstuv", "a"], {"a": 1}, 0.0),
        ([*"abcdefghij"], dict.fromkeys("abcdefghijkl", 1), 1.0),
        ([], {"a": 1}, 0.0),
    ],
    ids=["first", "second", "two", "graded", "eleventh", "more than ten", "nothing"],
)
def test_gain_is_discounted_when_ranks_fall(
    ranked: list[str], grades: Grades, expected: float
) -> None:
    """A document counts less the later it stands, and not at all after the tenth."""
    assert gain(ranked, grades) == pytest.approx(expected)


def test_recall_counts_the_first_five_when_more_were_found() -> None:
    """Two of the four relevant documents are among them."""
    assert recall([*"axbxyc"], dict.fromkeys("abcd", 1)) == 0.5


@pytest.mark.parametrize(
    ("ranked", "expected"), [("xxa", 1 / 3), ("ba", 1.0), ("xxxxxxxxxxa", 0.0), ("x", 0.0)]
)
def test_reciprocal_rank_is_of_the_first_when_several_are_relevant(
    ranked: str, expected: float
) -> None:
    """The first relevant document decides, if it is among the first ten."""
    assert reciprocal_rank(list(ranked), {"a": 1, "b": 1}) == pytest.approx(expected)


@given(_rankings, _grades)
def test_measures_are_between_0_and_1_when_anything_is_ranked(
    ranked: list[str], grades: dict[str, int]
) -> None:
    """No ranking leaves the scale."""
    for measure in (gain, recall, reciprocal_rank):
        assert 0 <= measure(ranked, grades) <= 1 + 1e-12


@given(_grades, _rankings)
def test_measures_are_best_when_the_ranking_is_perfect(
    grades: dict[str, int], others: list[str]
) -> None:
    """The best documents first give 1, and as much recall as five ranks allow."""
    best = sorted(grades, key=grades.__getitem__, reverse=True)
    ranked = best + [other for other in others if other not in grades]
    assert gain(ranked, grades) == pytest.approx(1)
    assert reciprocal_rank(ranked, grades) == 1
    assert recall(ranked, grades) == pytest.approx(min(5, len(grades)) / len(grades))


@given(_rankings, _grades, st.data())
def test_gain_does_not_fall_when_a_relevant_document_rises(
    ranked: list[str], grades: dict[str, int], data: st.DataObject
) -> None:
    """To move a relevant document up past an irrelevant one never costs."""
    swaps = [
        n for n in range(1, len(ranked)) if ranked[n] in grades and ranked[n - 1] not in grades
    ]
    if not swaps:
        return
    n = data.draw(st.sampled_from(swaps))
    risen = [*ranked[: n - 1], ranked[n], ranked[n - 1], *ranked[n + 1 :]]
    assert gain(risen, grades) >= gain(ranked, grades)


def test_figures_are_means_when_queries_differ() -> None:
    """Means of the measures; the median and the time that 95 of 100 queries keep below."""
    rankings = {f"q{n}": [("a", 1.0)] if n % 2 else [("x", 1.0)] for n in range(20)}
    run = Run(rankings, [(n + 1) / 1000 for n in range(20)], cpu_seconds=0.05)
    figures = figures_of(run, {query: {"a": 1} for query in rankings})
    assert figures == {
        "ndcg@10": 0.5,
        "recall@5": 0.5,
        "mrr@10": 0.5,
        "p50_ms": 10.5,
        "p95_ms": 19.0,
        "cpu_ms": 2.5,
        "n": 20,
    }


def test_first_query_runs_twice_when_queries_are_timed() -> None:
    """What is loaded at the first use is not in the times."""
    asked: list[str] = []
    done: list[int] = []

    def search(query: str) -> list[tuple[str, float]]:
        asked.append(query)
        return [(query, 1.0)]

    run = run_queries({"q1": "one", "q2": "two"}, search, done.append)
    assert asked == ["one", "one", "two"]
    assert run.rankings == {"q1": [("one", 1.0)], "q2": [("two", 1.0)]}
    assert (len(run.seconds), done) == (2, [1, 2])


def test_collection_is_read_when_qrels_are_json(write: Write) -> None:
    """Ids may be numbers; blank lines, other fields and a byte order mark do not matter."""
    extra = {"title": "Lists", "solution": "sorted(x)"}
    corpus = "\n\n".join(json.dumps(row | extra) for row in DOCUMENTS)
    collection = write(corpus=f"\ufeff{corpus}")
    assert collection.texts == {"a": Text(1, "lists"), "b": Text(3, "trees"), "3": Text(5, "heaps")}
    assert collection.queries == {"q1": "list", "q2": "tree"}
    assert collection.relevant == {"q1": {"a": 1}, "q2": {"b": 1, "3": 1}}
    assert collection.unjudged == 0


def test_collection_is_the_same_when_qrels_are_of_trec(write: Write) -> None:
    """The content tells the format; grades are kept, and what is graded 0 is not relevant."""
    qrels = "q1 0 a 2\nq1 0 b 0\nq1 0 elsewhere 0\n\nq2\t0\tb\t1\nq2 0 3 1\n"
    collection = write(qrels=qrels)
    assert collection.relevant == {"q1": {"a": 2}, "q2": {"b": 1, "3": 1}}


def test_query_is_left_out_when_nothing_is_relevant_to_it(write: Write) -> None:
    """It would count as a failure of every ranking."""
    collection = write(qrels="q1 0 a 1\nq2 0 b 0\n")
    assert list(collection.queries) == ["q1"]
    assert collection.unjudged == 1


LINE = '{"id": "a", "text": "lists"}\n'


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"corpus": ""}, "corpus.jsonl is empty"),
        ({"queries": "\n \n"}, "queries.jsonl is empty"),
        ({"qrels": ""}, "qrels.jsonl is empty"),
        ({"corpus": LINE + "{id: b}"}, "corpus.jsonl line 2 is not valid JSON"),
        ({"corpus": LINE + "[" * 100_000}, "corpus.jsonl line 2 is not valid JSON"),
        ({"corpus": LINE + '["b"]'}, "corpus.jsonl line 2 is a JSON list"),
        ({"corpus": LINE.encode() + b'{"id": "\xff"}'}, "corpus.jsonl line 2 is not UTF-8"),
        ({"corpus": LINE + '{"text": "b"}'}, "corpus.jsonl line 2 has no 'id'"),
        ({"corpus": LINE + '{"id": "", "text": "b"}'}, "corpus.jsonl line 2 has no 'id'"),
        ({"corpus": LINE + '{"id": true, "text": "b"}'}, "corpus.jsonl line 2 has no 'id'"),
        ({"corpus": LINE + '{"id": "b"}'}, "corpus.jsonl line 2 has no 'text'"),
        ({"corpus": LINE + '{"id": "b", "text": " "}'}, "corpus.jsonl line 2 has no 'text'"),
        ({"queries": '{"id": "q1", "text": 1}'}, "queries.jsonl line 1 has no 'text'"),
        ({"corpus": LINE + "\n" + LINE}, "corpus.jsonl line 3 repeats the id 'a' of line 1"),
        ({"queries": LINE * 2}, "queries.jsonl line 2 repeats the id 'a' of line 1"),
        ({"qrels": '{"doc_ids": ["a"]}'}, "qrels.jsonl line 1 has no 'query_id'"),
        ({"qrels": '{"query_id": "q1", "doc_ids": "a"}'}, "qrels.jsonl line 1 has no 'doc_ids'"),
        ({"qrels": '{"query_id": "q1", "doc_ids": []}'}, "qrels.jsonl line 1 has no 'doc_ids'"),
        ({"qrels": '{"query_id": "q1", "doc_ids": [{}]}'}, "qrels.jsonl line 1 has no 'doc_ids'"),
        ({"qrels": '["q1", "a"]'}, "qrels.jsonl line 1 is a JSON list"),
        ({"qrels": "q1 0 a 1\nq9 0 a 1"}, "qrels.jsonl line 2 names the query 'q9', which is not"),
        ({"qrels": "q1 0 z 1"}, "qrels.jsonl line 1 names the document 'z', which is not"),
        ({"qrels": "q1 0 a 1\nq1 0 a 1"}, "qrels.jsonl line 2 judges 'a' for 'q1' again"),
        ({"qrels": "q1 0 a"}, "qrels.jsonl line 1 is neither JSON nor"),
        ({"qrels": "q1 0 a yes"}, "qrels.jsonl line 1 is neither JSON nor"),
        ({"qrels": "q1 0 a 0"}, "qrels.jsonl names no relevant document"),
    ],
)
def test_file_is_refused_when_it_does_not_fit(
    write: Write, files: dict[str, Any], words: str
) -> None:
    """What is wrong is said with the file and its line."""
    with pytest.raises(InputError) as raised:
        write(**files)
    assert words in str(raised.value)


def test_path_is_refused_when_it_is_not_a_file(tmp_path: Path) -> None:
    """A missing file and a folder are named."""
    for path in (tmp_path, tmp_path / "missing.jsonl"):
        with pytest.raises(InputError, match="cannot be read"):
            read_collection(path, path, path)


@pytest.mark.parametrize("key", ["a b", "a\tb", "a\u00a0b", "\ud800", " a"])
def test_id_is_refused_when_trec_cannot_hold_it(write: Write, key: str) -> None:
    """Columns are set apart by white space, and the file is UTF-8."""
    check_trec_ids(write())
    with pytest.raises(InputError, match="TREC"):
        check_trec_ids(write(corpus=[*DOCUMENTS, {"id": key, "text": "more"}]))


@given(st.lists(st.tuples(_ids, st.floats(-1, 1)), unique_by=lambda pair: pair[0]))
def test_written_order_is_kept_when_it_is_sorted_by_score(ranking: list[tuple[str, float]]) -> None:
    """Scorers order by score alone, so equal and rising scores are written falling."""
    rows = [line.split() for line in trec_run(Run({"q": ranking}, [], 0.0), "tag").splitlines()]
    assert [(row[0], row[1], row[5]) for row in rows] == [("q", "Q0", "tag")] * len(ranking)
    assert [int(row[3]) for row in rows] == list(range(1, len(ranking) + 1))
    scores = [float(row[4]) for row in rows]
    assert all(after < before for before, after in pairwise(scores))
    assert [row[2] for row in rows] == [document for document, _ in ranking]


def test_score_is_written_as_it_is_when_it_falls() -> None:
    """Only what would be reordered is changed."""
    run = Run({"q": [("a", 0.9), ("b", 0.5)]}, [], 0.0)
    assert trec_run(run, "t") == "q Q0 a 1 0.900000 t\nq Q0 b 2 0.500000 t\n"


def test_memory_is_told_when_the_system_tells_it() -> None:
    """A Python process has some megabytes, and no more than at its most."""
    memory = memory_mb()
    if memory is None:
        pytest.skip("this system has no /proc")
    now, peak = memory
    assert 5 < now <= peak
