"""What a larger index costs: adding, memory, searching, and being fresh in another process.

The documents are Python functions, questions and statements of the labelled sets (ASSIST_EVAL_DATA
or ../shared/data); where there are not enough, they come again with every fifth word changed.
Each size is measured in a process of its own. Chroma's own approximate search over the same vectors
stands beside ours, compared with the exact order by cosine.
Usage: python benchmarks/scale.py [--sizes N ...] [--embeddings local|minilm] [--output FILE]
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from agent.evaluation import Collection, Text, memory_mb, open_index, run_queries
from agent.models.embeddings import IndexEmbeddings, make_embeddings
from agent.settings import load_settings
from benchmarks.rankers import opened_index
from benchmarks.retrieval import data_folder, surroundings
from retrieval.index import AssignmentIndex
from retrieval.reading.documents import read_documents
from retrieval.storing.store import Store

_SIZES = (150, 1_000, 5_000, 10_000)
_CORPORA = ("cosqa", "conala", "mbpp")
_QUERIES = 200
_CHANGED = 0.2
"""Which part of the words is another one where a text comes again."""
_NEW = (
    "Grow a bonsai out of cherry blossoms by a Lindenmayer system with turtle graphics.",
    "Steer a sailing boat against the wind and tack before it meets the harbour wall.",
    "Tune a carillon: strike each bell, find its partials and file away the flat ones.",
)
"""What is added one by one and looked for in another process."""
_PATIENCE = 60.0


def main() -> None:
    """Measure every size, write the figures, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=_SIZES)
    parser.add_argument("--embeddings", default="local", help="local or minilm")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    data = data_folder()
    needed = [*(f"corpus_{name}.jsonl" for name in _CORPORA), "queries_cosqa_dev.jsonl"]
    if absent := [name for name in needed if not (data / name).is_file()]:
        print(f"Skipped: {', '.join(absent)} not in {data}. Set ASSIST_EVAL_DATA.")
        return
    figures = []
    for size in options.sizes:
        with _process() as one:
            figures.append(one.submit(measure, data, size, options.embeddings).result())
        print(json.dumps(figures[-1]), file=sys.stderr, flush=True)
    result = {**surroundings(), "embedding": options.embeddings, "sizes": figures}
    written = json.loads(options.output.read_text("utf-8")) if options.output.exists() else {}
    written[options.embeddings] = result
    options.output.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    print(table(result))


def _process() -> ProcessPoolExecutor:
    """Make another process, which inherits nothing."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def measure(data: Path, size: int, embeddings: str) -> dict[str, Any]:
    """Return the figures of one size, measured in this process."""
    collection = make_collection(data, size)
    made = make_embeddings(load_settings(embeddings=embeddings))
    made.embeddings.embed_query("What is loaded at the first use is loaded now.")
    with TemporaryDirectory() as folder:
        started, used = time.perf_counter(), time.process_time()
        with opened_index(collection, made, Path(folder)) as (index, search):
            added, added_cpu = time.perf_counter() - started, time.process_time() - used
            found = sorted(run_queries(collection.queries, search).seconds)
            now, peak = memory_mb() or (None, None)
            with _process() as other:
                fresh = _freshness(index, other, Path(folder), embeddings)
        chroma = _chroma(Path(folder) / "index", made, list(collection.queries.values()))
    made.close()
    return {
        "documents": size,
        "add_s": round(added, 2),
        "add_cpu_s": round(added_cpu, 2),
        "documents_per_s": round(size / added, 1),
        "rss_mb": now,
        "peak_rss_mb": peak,
        "p50_ms": round(median(found) * 1e3, 2),
        "p95_ms": round(found[int(0.95 * len(found))] * 1e3, 2),
        **chroma,
        **fresh,
    }


def make_collection(data: Path, size: int) -> Collection:
    """Return as many different texts as are wanted, and queries; always the same ones."""
    texts = [
        str(json.loads(line)["text"])
        for name in _CORPORA
        for line in (data / f"corpus_{name}.jsonl").read_text("utf-8").splitlines()
    ]
    chance = random.Random(0)  # noqa: S311 - the texts have to be the same each time
    chance.shuffle(texts)
    made = [
        texts[n] if n < len(texts) else _changed(texts[n % len(texts)], texts, chance)
        for n in range(size)
    ]
    asked = (data / "queries_cosqa_dev.jsonl").read_text("utf-8").splitlines()
    queries = [str(json.loads(line)["text"]) for line in asked[:_QUERIES]]
    return Collection(
        corpus=data,
        texts={str(n): Text(n, text) for n, text in enumerate(made, start=1)},
        queries={str(n): query for n, query in enumerate(queries)},
        relevant={},
        unjudged=len(queries),
    )


def _changed(text: str, texts: Sequence[str], chance: random.Random) -> str:
    """Put words of other texts in the place of some."""
    words = text.split(" ")
    for n in chance.sample(range(len(words)), max(1, round(_CHANGED * len(words)))):
        words[n] = chance.choice(chance.choice(texts).split())
    return " ".join(words)


def _freshness(
    index: AssignmentIndex, other: Executor, folder: Path, embeddings: str
) -> dict[str, Any]:
    """Let another process add a document, and wait for it here."""
    path = folder / "index"
    other.submit(_add, path, embeddings, "What is loaded at the first use is loaded now.").result()
    adding, finding = [], []
    for text in _NEW:
        index.search(text)
        started, ended, document_id = other.submit(_add, path, embeddings, text).result()
        while document_id not in {source["document_id"] for source in index.search(text)}:
            if time.monotonic() > ended + _PATIENCE:
                message = f"{text!r} was not found {_PATIENCE:.0f} s after it was added"
                raise RuntimeError(message)
        adding.append(ended - started)
        finding.append(time.monotonic() - ended)
    return {"one_more_s": round(median(adding), 3), "found_elsewhere_s": round(median(finding), 3)}


def _add(path: Path, embeddings: str, text: str) -> tuple[float, float, str]:
    """Add one document; return when that began and ended, by a clock that processes share."""
    index, folder = _opened(path, embeddings)
    file = folder / f"{len(list(folder.iterdir()))}.txt"
    file.write_text(text, "utf-8")
    (document,) = read_documents(file)
    started = time.monotonic()
    index.add([document])
    return started, time.monotonic(), document.document_id


@cache
def _opened(path: Path, embeddings: str) -> tuple[AssignmentIndex, Path]:
    """Open the index once in the process that adds; it ends with the process."""
    made = make_embeddings(load_settings(embeddings=embeddings))
    folder = path.parent / "new"
    folder.mkdir()
    return open_index(path, made), folder


def _chroma(folder: Path, made: IndexEmbeddings, queries: Sequence[str]) -> dict[str, float]:
    """Ask Chroma for the ten nearest chunks, and compare them with the ten that are the nearest."""
    asked = np.array([made.embeddings.embed_query(query) for query in queries], np.float32)

    def work(collection: Any) -> dict[str, float]:
        stored = collection.get(include=["embeddings"])
        vectors = np.array(stored["embeddings"], np.float32)
        places = {key: n for n, key in enumerate(stored["ids"])}
        times, shares = [], []
        for vector in asked:
            started = time.perf_counter()
            found = collection.query(query_embeddings=[vector], n_results=10)
            times.append(time.perf_counter() - started)
            cosines = _unit(vectors) @ _unit(vector)
            tenth = np.partition(cosines, -10)[-10]
            # Of equally near chunks any will do.
            near = [cosines[places[key]] >= tenth - 1e-6 for key in found["ids"][0]]
            shares.append(sum(near) / 10)
        return {
            "chroma_p50_ms": round(median(times) * 1e3, 2),
            "chroma_recall@10": round(float(np.mean(shares)), 4),
        }

    return Store(folder).run(work)


def _unit(vectors: Any) -> Any:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def table(result: dict[str, Any]) -> str:
    """Return the figures of one embedding as Markdown."""
    columns = {
        "documents": "documents",
        "add_s": "added in s",
        "add_cpu_s": "CPU s",
        "documents_per_s": "documents/s",
        "rss_mb": "MB",
        "p50_ms": "p50 ms",
        "p95_ms": "p95 ms",
        "chroma_p50_ms": "Chroma's p50 ms",
        "chroma_recall@10": "Chroma's recall@10",
        "one_more_s": "one more in s",
        "found_elsewhere_s": "found elsewhere in s",
    }
    lines = [f"| {' | '.join(columns.values())} |", f"|{'---:|' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[name]) for name in columns)} |" for row in result["sizes"]]
    about = (
        f"Embedding {result['embedding']}; {result['date']}, {result['machine']}, "
        f"Python {result['python']}."
    )
    return "\n".join([*lines, "", about])


if __name__ == "__main__":
    main()
