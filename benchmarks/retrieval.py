"""How well, and how fast, past assignments are found: six labelled sets, five ways to search.

Ours stands beside plain BM25, LangChain's BM25Retriever and EnsembleRetriever, and dense vectors
alone. All search the same texts in one process and take turns, so that whatever else the machine
does falls on all of them; our memory is that of processes of their own.
The sets are read from ASSIST_EVAL_DATA or ../shared/data; what is absent is skipped.
Usage: python benchmarks/retrieval.py [--embeddings local|minilm] [--sets NAME ...] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.evaluation import Collection, Run
    from agent.models.embeddings import IndexEmbeddings

_ROOT = Path(__file__).resolve().parents[1]
# Of a script that is run, the folder comes first on the path; there, this file would hide the
# package of its name from itself and from the scripts beside it.
sys.path[:] = [
    str(_ROOT) if Path(place).resolve() == _ROOT / "benchmarks" else place for place in sys.path
]
if __name__ == "retrieval":
    del sys.modules[__name__]
    import_module(__name__)

SETS = ("exercism", "exercism_code", "cosqa", "mbpp", "mbpp_code", "conala")
_CORPORA = {"exercism_code": "exercism"}
_MEASURES = {
    "ndcg@10": "nDCG@10",
    "recall@5": "recall@5",
    "mrr@10": "MRR@10",
    "p50_ms": "p50 ms",
    "cpu_ms": "CPU ms",
}
_TURN = 50
"""Queries that one way to search answers before the next has its turn."""
_RESAMPLES = 10_000


def main() -> None:
    """Measure every set that is there, write the figures, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embeddings", default="local", help="local, minilm or openai:NAME")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    data = data_folder()
    sets = [name for name in options.sets if _is_there(data, name)]
    if not sets:
        _say(f"Skipped: no set is in {data}. Set ASSIST_EVAL_DATA.")
        return
    result = measure(data, sets, options.embeddings)
    written = json.loads(options.output.read_text("utf-8")) if options.output.exists() else {}
    written[options.embeddings] = result
    options.output.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    print(tables(result))


def data_folder() -> Path:
    """Return where the labelled sets lie, if they lie anywhere."""
    given = os.environ.get("ASSIST_EVAL_DATA")
    return (Path(given) if given else _ROOT.parent / "shared" / "data") / "retrieval"


def _is_there(data: Path, name: str) -> bool:
    absent = [path.name for path in _files(data, name).values() if not path.is_file()]
    if absent:
        _say(f"{name} is skipped: {', '.join(absent)} not in {data}")
    return not absent


def _files(data: Path, name: str) -> dict[str, Path]:
    return {
        "corpus": data / f"corpus_{_CORPORA.get(name, name)}.jsonl",
        "queries": data / f"queries_{name}_dev.jsonl",
        "qrels": data / f"qrels_{name}_dev.jsonl",
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def measure(data: Path, sets: Sequence[str], embeddings: str) -> dict[str, Any]:
    """Return the figures of every way to search on every set, and ours against the others."""
    from agent.evaluation import gain, read_collection
    from agent.models.embeddings import make_embeddings
    from agent.settings import load_settings
    from benchmarks.rankers import DENSE, OURS, PLAIN, missing

    for name, reason in missing().items():
        _say(f"{name} is skipped: {reason}")
    collections = {name: read_collection(**_files(data, name)) for name in sets}
    figures: dict[str, Any] = {}
    gains: dict[str, dict[str, list[float]]] = {}
    made = make_embeddings(load_settings(embeddings=embeddings))
    with closing(made):
        for name, collection in collections.items():
            _say(f"{name}: {len(collection.texts)} documents, {len(collection.queries)} queries")
            runs, memory = _search_all(collection, made, embeddings)
            figures[name] = {**_figures(collection, runs), "searching_mb": memory}
            gains[name] = {
                ranker: [
                    gain([document for document, _ in run.rankings[query]], relevant)
                    for query, relevant in collection.relevant.items()
                ]
                for ranker, run in runs.items()
            }
    largest = max(sets, key=lambda name: len(collections[name].texts))
    return {
        **surroundings(),
        "embedding": made.identity,
        "sets": figures,
        "means": _means(figures),
        "ours_minus": {
            rival: {
                **{name: interval([of[OURS]], [of[rival]]) for name, of in gains.items()},
                "mean": interval(
                    [of[OURS] for of in gains.values()], [of[rival] for of in gains.values()]
                ),
            }
            for rival in (PLAIN, DENSE)
        },
        "own_process": {"set": largest, **_own_process(_files(data, largest), embeddings)},
    }


def _search_all(
    collection: Collection, made: IndexEmbeddings, embeddings: str
) -> tuple[dict[str, Run], float | None]:
    """Let every way to search answer every query, some queries at a time.

    Returns:
        What each found, and what a process has in memory that only searches our index.
    """
    from agent.evaluation import Run, run_queries
    from benchmarks.rankers import OURS, opened_index, opened_rivals

    queries = list(collection.queries.items())
    turns = [dict(queries[start : start + _TURN]) for start in range(0, len(queries), _TURN)]
    with (
        TemporaryDirectory() as folder,
        opened_index(collection, made, Path(folder)) as (_, ours),
        opened_rivals(collection, made.embeddings, Path(folder)) as rivals,
    ):
        rankers = {OURS: ours, **rivals}
        runs: dict[str, list[Run]] = {name: [] for name in rankers}
        for turn in turns:
            for name, search in rankers.items():
                runs[name].append(run_queries(turn, search))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            task = other.submit(_searching_mb, Path(folder) / "index", embeddings, turns[0])
            memory = task.result()
    return {
        name: Run(
            {query: ranking for part in parts for query, ranking in part.rankings.items()},
            [second for part in parts for second in part.seconds],
            sum(part.cpu_seconds for part in parts),
        )
        for name, parts in runs.items()
    }, memory


def _searching_mb(folder: Path, embeddings: str, queries: Mapping[str, str]) -> float | None:
    """Search an index that lies there already; return what that leaves in memory."""
    from agent.evaluation import memory_mb, open_index
    from agent.models.embeddings import make_embeddings
    from agent.settings import load_settings

    made = make_embeddings(load_settings(embeddings=embeddings))
    with closing(made), closing(open_index(folder, made)) as index:
        for query in queries.values():
            index.search(query, limit=10)
        memory = memory_mb()
    return memory[0] if memory else None


def _figures(collection: Collection, runs: Mapping[str, Run]) -> dict[str, Any]:
    from agent.evaluation import figures_of
    from benchmarks.rankers import OURS, PLAIN

    found = {name: figures_of(run, collection.relevant) for name, run in runs.items()}
    return {
        "documents": len(collection.texts),
        "n": len(collection.queries),
        "rankers": found,
        "p50_ratio": round(found[OURS]["p50_ms"] / found[PLAIN]["p50_ms"], 2),
    }


def _means(figures: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the means over the sets, each set counting once."""
    rankers = next(iter(figures.values()))["rankers"]
    return {
        ranker: {
            measure: round(fmean(of["rankers"][ranker][measure] for of in figures.values()), 4)
            for measure in _MEASURES
        }
        for ranker in rankers
    }


def interval(ours: Iterable[Sequence[float]], rival: Iterable[Sequence[float]]) -> dict[str, float]:
    """Return the mean over the sets of ours minus a rival's, and where 95 % of resamples lie.

    Queries are drawn again within their set, each with both its values.
    """
    import numpy as np

    chance = np.random.default_rng(0)
    drawn, seen = [], []
    for one, other in zip(ours, rival, strict=True):
        apart = np.asarray(one) - np.asarray(other)
        rows = chance.integers(0, len(apart), size=(_RESAMPLES, len(apart)))
        drawn.append(apart[rows].mean(axis=1))
        seen.append(apart.mean())
    low, high = np.percentile(np.mean(drawn, axis=0), [2.5, 97.5])
    return {
        "difference": round(float(np.mean(seen)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def _own_process(files: Mapping[str, Path], embeddings: str) -> dict[str, Any]:
    """Measure with the command, in a process that holds nothing else."""
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "agent.cli", "eval", "retrieval", *options, "--json"]
    done = subprocess.run(
        [*command, "--embeddings", embeddings], capture_output=True, check=True, cwd=_ROOT
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def surroundings() -> dict[str, Any]:
    """Return when and on what was measured."""
    from benchmarks.rankers import PACKAGES

    versions = {}
    for package in sorted({name for names in PACKAGES.values() for name in names}):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": versions,
    }


def tables(result: Mapping[str, Any]) -> str:
    """Return the figures of one embedding as Markdown."""
    sets = result["sets"]
    parts = [_table(result, measure, title) for measure, title in _MEASURES.items()]
    lines = [
        f"- nDCG@10 of ours minus {rival}: "
        + "; ".join(
            f"{name} {of['difference']:+.3f} [{of['low']:+.3f}, {of['high']:+.3f}]"
            for name, of in found.items()
        )
        for rival, found in result["ours_minus"].items()
    ]
    ratios = ", ".join(f"{name} {of['p50_ratio']:.1f}" for name, of in sets.items())
    memory = ", ".join(f"{name} {of['searching_mb']}" for name, of in sets.items())
    own = result["own_process"]
    lines += [
        f"- p50 of ours over that of plain BM25: {ratios}",
        f"- MB of a process that searches our index: {memory}",
        f"- `assist eval retrieval` on {own['set']} ({own['documents']} documents): "
        f"nDCG@10 {own['ndcg@10']:.3f}, p50 {own['p50_ms']:.1f} ms, p95 {own['p95_ms']:.1f} ms, "
        f"indexed in {own['index_s']:.1f} s, {own['rss_mb']} MB "
        f"(at most {own['peak_rss_mb']} MB)",
    ]
    said = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    about = (
        f"Embedding {result['embedding']}; {result['date']}, {result['machine']}, "
        f"Python {result['python']}; {said}. In brackets: 95 % of {_RESAMPLES:,} paired resamples."
    )
    return "\n\n".join([*parts, "\n".join(lines), about])


def _table(result: Mapping[str, Any], measure: str, title: str) -> str:
    digits = 2 if measure.endswith("_ms") else 3
    lines = [
        f"| {title} | {' | '.join(result['sets'])} | mean |",
        f"|---|{'---:|' * (len(result['sets']) + 1)}",
    ]
    for ranker, mean in result["means"].items():
        values = [of["rankers"][ranker][measure] for of in result["sets"].values()]
        cells = " | ".join(f"{value:.{digits}f}" for value in (*values, mean[measure]))
        lines.append(f"| {ranker} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
