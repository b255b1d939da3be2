"""What the index is measured against: rivals that find what they should, and honest intervals."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.evaluation import Collection, Text, figures_of, read_collection, run_queries
from agent.models.embeddings import make_embeddings
from agent.settings import Settings
from benchmarks.rankers import (
    DENSE,
    OURS,
    PLAIN,
    Search,
    missing,
    opened_index,
    opened_rivals,
    plain,
)
from benchmarks.retrieval import SETS, _files, interval, tables
from benchmarks.scale import make_collection

ROOT = Path(__file__).parents[2]
TEXTS = {
    "lists": "merge two sorted lists into one sorted list",
    "tree": "insert a key into a binary search tree",
    "path": "the shortest path between two nodes of a graph",
}


@pytest.fixture
def rankers(tmp_path: Path, settings: Settings) -> Iterator[dict[str, Search]]:
    """Every way to search that is installed, over three texts."""
    collection = Collection(
        corpus=tmp_path / "corpus.jsonl",
        texts={key: Text(n, text) for n, (key, text) in enumerate(TEXTS.items(), start=1)},
        queries={},
        relevant={},
        unjudged=0,
    )
    made = make_embeddings(settings)
    with (
        opened_index(collection, made, tmp_path) as (_, ours),
        opened_rivals(collection, made.embeddings, tmp_path) as rivals,
    ):
        yield {OURS: ours, **rivals}


def test_every_ranker_finds_the_text_when_it_is_asked_for_its_words(
    rankers: dict[str, Search],
) -> None:
    """Each answers with the ids of the collection, best first."""
    assert {OURS, PLAIN, DENSE} <= rankers.keys()
    assert not missing().keys() & rankers.keys()
    for name, search in rankers.items():
        for key, text in TEXTS.items():
            found = search(text)
            assert found[0][0] == key, name
            assert {document for document, _ in found} <= TEXTS.keys()
            scores = [score for _, score in found]
            assert scores == sorted(scores, reverse=True), name


def test_plain_bm25_is_as_good_as_elsewhere_when_it_is_measured(eval_data: Path) -> None:
    """The rival is not handicapped: others measured the same figures with the same library."""
    collection = read_collection(**_files(eval_data / "retrieval", "exercism"))
    search = plain(list(collection.texts), [text.text for text in collection.texts.values()])
    figures = figures_of(run_queries(collection.queries, search), collection.relevant)
    measured = (figures["ndcg@10"], figures["recall@5"], figures["mrr@10"])
    assert measured == pytest.approx((0.814, 0.872, 0.786), abs=0.001)


def test_interval_is_a_point_when_every_query_differs_alike() -> None:
    """Each set counts once, however many queries it has."""
    found = interval([[0.5] * 100, [0.9]], [[0.4] * 100, [0.4]])
    assert found == {"difference": 0.3, "low": 0.3, "high": 0.3}


def test_interval_holds_nothing_when_queries_disagree() -> None:
    """A gain on half the queries and a loss on the others is no gain."""
    found = interval([[1.0, 0.0] * 50], [[0.0, 1.0] * 50])
    assert found["difference"] == 0
    assert -0.25 < found["low"] < -0.15
    assert 0.15 < found["high"] < 0.25


def test_tables_hold_every_figure_when_they_are_printed() -> None:
    """A table a measure, and under them what cannot be one."""
    figures = {"ndcg@10": 0.7, "recall@5": 0.8, "mrr@10": 0.6, "p50_ms": 4.2, "cpu_ms": 4.0}
    apart = {"difference": 0.1, "low": 0.05, "high": 0.15}
    own = {"documents": 9, "p95_ms": 5.1, "index_s": 1.0, "rss_mb": 300.5, "peak_rss_mb": 310.5}
    shown = tables(
        {
            "date": "2026-11-22",
            "machine": "Linux",
            "python": "3.11",
            "versions": {"bm25s": "0.3"},
            "embedding": "words",
            "sets": {"mbpp": {"rankers": {OURS: figures}, "p50_ratio": 3.0, "searching_mb": 250.5}},
            "means": {OURS: figures},
            "ours_minus": {PLAIN: {"mbpp": apart, "mean": apart}},
            "own_process": {"set": "mbpp", **figures, **own},
        }
    )
    assert "| nDCG@10 | mbpp | mean |\n|---|---:|---:|\n" in shown
    assert f"| {OURS} | 0.700 | 0.700 |" in shown
    assert f"| {OURS} | 4.20 | 4.20 |" in shown
    assert "mbpp +0.100 [+0.050, +0.150]" in shown
    assert "searches our index: mbpp 250.5\n" in shown
    assert "300.5 MB (at most 310.5 MB)" in shown


def test_texts_differ_and_stay_when_more_are_wanted_than_there_are(eval_data: Path) -> None:
    """The same size is the same index again."""
    made = make_collection(eval_data / "retrieval", 11_000)
    texts = [text.text for text in made.texts.values()]
    assert (len(texts), len(made.queries)) == (11_000, 200)
    again = make_collection(eval_data / "retrieval", 11_000)
    assert texts == [text.text for text in again.texts.values()]
    changed = sum(text not in texts[:9_000] for text in texts[10_000:])
    assert changed == 1_000


def test_package_is_found_when_a_script_beside_the_benchmark_asks_for_it() -> None:
    """A script's own folder comes first on the path, and there lies a `retrieval.py`."""
    script = "import retrieval; print(retrieval.read_documents.__module__)"
    start = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); {script}"
    done = subprocess.run(
        [sys.executable, "-c", start], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "retrieval.reading.documents"


def test_benchmark_says_what_it_skips_when_there_is_no_data(tmp_path: Path) -> None:
    """No figure is better than one of nothing."""
    script = ROOT / "benchmarks" / "retrieval.py"
    done = subprocess.run(
        [sys.executable, script, "--output", tmp_path / "out.json"],
        capture_output=True,
        text=True,
        check=True,
        env={"ASSIST_EVAL_DATA": str(tmp_path)},
    )
    assert all(f"{name} is skipped: " in done.stderr for name in SETS)
    assert not (tmp_path / "out.json").exists()
