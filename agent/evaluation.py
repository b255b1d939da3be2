"""How well the index finds what it should: a test collection in, figures out.

It knows test collections, measures and TREC's formats; it knows nothing of embeddings or terminals.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import InputError
from retrieval.errors import DocumentError

if TYPE_CHECKING:
    from agent.models.embeddings import IndexEmbeddings
    from retrieval.index import AssignmentIndex
    from retrieval.reading.documents import Document

Grades = Mapping[str, int]
"""How relevant documents are, by their ids; what is not named is not relevant."""
Ranking = Sequence[tuple[str, float]]
"""The documents that a query found, best first, with their scores."""
Progress = Callable[[int], None]
"""Hears how many are done."""

GAIN_DEPTH = 10
RECALL_DEPTH = 5
_STEP = 1e-6
"""What a written score is below the one before it, at least: scorers order by score alone."""
_MEMORY = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)
_TREC_FIELDS = 4


class Text(NamedTuple):
    """A document's text, and the line of the corpus that holds it."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries, and what each query should find."""

    corpus: Path
    texts: Mapping[str, Text]
    queries: Mapping[str, str]
    """The queries that have a relevant document; others say nothing about a ranking."""
    relevant: Mapping[str, Grades]
    unjudged: int
    """How many queries were left out."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was found for each query, and how long each search took."""

    rankings: Mapping[str, Ranking]
    seconds: Sequence[float]
    cpu_seconds: float
    """Of all searches together; it is less of a guess than their times where others compute."""


def read_collection(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """Read a test collection.

    Args:
        corpus: JSON Lines with `id` and `text`; other fields are not read.
        queries: JSON Lines with `id` and `text`.
        qrels: JSON Lines with `query_id` and `doc_ids`, or TREC's `query 0 document grade`.

    Raises:
        InputError: a file cannot be read, or a line of it does not fit the others.
    """
    texts, asked = _read_texts(corpus), _read_texts(queries)
    relevant: dict[str, dict[str, int]] = {}
    judged: set[tuple[str, str]] = set()
    for place, query, document, grade in _judgements(qrels):
        if query not in asked:
            raise InputError(f"{place} names the query {query!r}, which is not in {queries}.")
        if grade > 0 and document not in texts:
            raise InputError(f"{place} names the document {document!r}, which is not in {corpus}.")
        if (query, document) in judged:
            raise InputError(f"{place} judges {document!r} for {query!r} again. Keep one of them.")
        judged.add((query, document))
        if grade > 0:
            relevant.setdefault(query, {})[document] = grade
    if not relevant:
        raise InputError(f"{qrels} names no relevant document.")
    kept = {query: found.text for query, found in asked.items() if query in relevant}
    return Collection(corpus, texts, kept, relevant, unjudged=len(asked) - len(kept))


def _read_texts(path: Path) -> dict[str, Text]:
    texts: dict[str, Text] = {}
    for number, line in _lines(path):
        place = f"{path} line {number}"
        row = _object(line, place)
        key = _name(row.get("id"), "id", place)
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{place} has no 'text'. Each line needs a string that is not empty.")
        if key in texts:
            raise InputError(
                f"{place} repeats the id {key!r} of line {texts[key].line}. Make the ids unique."
            )
        texts[key] = Text(number, text)
    return texts


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield the place, the query, the document and its grade; the first line tells the format."""
    is_json = None
    for number, line in _lines(path):
        place = f"{path} line {number}"
        if is_json is None:
            is_json = line.lstrip().startswith(("{", "["))
        if not is_json:
            yield (place, *_trec_judgement(line, place))
            continue
        row = _object(line, place)
        query, documents = _name(row.get("query_id"), "query_id", place), row.get("doc_ids")
        if not isinstance(documents, list) or not documents:
            raise InputError(f"{place} has no 'doc_ids'. Each line needs a list of documents.")
        for document in documents:
            yield place, query, _name(document, "doc_ids", place), 1


def _trec_judgement(line: str, place: str) -> tuple[str, str, int]:
    fields = line.split()
    if len(fields) != _TREC_FIELDS or not re.fullmatch(r"-?\d{1,9}", fields[-1], re.ASCII):
        raise InputError(
            f"{place} is neither JSON nor 'QUERY 0 DOCUMENT GRADE' with a whole number as grade."
        )
    return fields[0], fields[2], int(fields[3])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines that are not blank."""
    is_empty = True
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    is_empty = False
                    yield number, text
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} line {number} is not UTF-8 text. Save it as UTF-8.") from error
    if is_empty:
        raise InputError(f"{path} is empty. It needs at least one line.")


def _object(line: str, place: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{place} is not valid JSON ({error}). Write one object a line."
        ) from error
    if not isinstance(row, dict):
        raise InputError(f"{place} is a JSON {type(row).__name__}. Write one object a line.")
    return row


def _name(value: object, field: str, place: str) -> str:
    """Return an id as text; a number stands for its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{place} has no {field!r}. Each line needs one, a string or a number.")
    return str(value)


def open_index(folder: Path, made: "IndexEmbeddings") -> "AssignmentIndex":
    """Open an index in a folder with the weights that belong to the embeddings."""
    from retrieval.index import AssignmentIndex

    return AssignmentIndex.open(folder, made.embeddings, made.identity, profile=made.profile)


def index_texts(
    index: "AssignmentIndex",
    collection: Collection,
    folder: Path,
    on_progress: Progress = lambda _: None,
) -> dict[str, str]:
    """Add the texts of a collection, as `assist index add` adds a file of nothing but texts.

    Args:
        index: An empty index.
        collection: Whose texts are added.
        folder: An empty folder for that file.
        on_progress: Hears how many documents were handed over.

    Returns:
        The collection's id for each id of the index.

    Raises:
        InputError: a text cannot be a document.
    """
    known: dict[str, str] = {}

    def documents() -> Iterator["Document"]:
        for key, document in _documents(collection, folder):
            known[document.document_id] = key
            yield document
            on_progress(len(known))

    index.add(documents())
    return known


def _documents(collection: Collection, folder: Path) -> Iterator[tuple[str, "Document"]]:
    from retrieval.reading.documents import read_documents

    # The names are fixed, since an id of the index is made of them. A text keeps its line.
    path = folder / "corpus" / "corpus.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        written = 1
        for text in collection.texts.values():
            file.write("\n" * (text.line - written) + json.dumps({"text": text.text}) + "\n")
            written = text.line + 1
    try:
        yield from zip(collection.texts, read_documents(path), strict=True)
    except DocumentError as error:
        raise InputError(str(error).replace(str(path), str(collection.corpus))) from error


def search_index(
    index: "AssignmentIndex", known: Mapping[str, str], query: str, limit: int
) -> Ranking:
    """Return the best documents for a query, one entry each."""
    found = index.search(query, limit=limit, per_document=1)
    return [(known[source["document_id"]], source["score"]) for source in found]


def run_queries(
    queries: Mapping[str, str],
    search: Callable[[str], Ranking],
    on_progress: Progress = lambda _: None,
) -> Run:
    """Search for each query in turn, once the first one has warmed what is loaded at first use."""
    for text in queries.values():
        search(text)
        break
    rankings: dict[str, Ranking] = {}
    seconds: list[float] = []
    cpu_seconds = 0.0
    for query, text in queries.items():
        started, used = time.perf_counter(), time.process_time()
        rankings[query] = search(text)
        cpu_seconds += time.process_time() - used
        seconds.append(time.perf_counter() - started)
        on_progress(len(seconds))
    return Run(rankings, seconds, cpu_seconds)


def figures_of(run: Run, relevant: Mapping[str, Grades]) -> dict[str, float | int]:
    """Return the means of a run's measures, and its times in milliseconds."""
    pairs = [
        ([document for document, _ in ranking], relevant[query])
        for query, ranking in run.rankings.items()
    ]
    ordered = sorted(run.seconds)
    return {
        "ndcg@10": round(fmean(gain(*pair) for pair in pairs), 4),
        "recall@5": round(fmean(recall(*pair) for pair in pairs), 4),
        "mrr@10": round(fmean(reciprocal_rank(*pair) for pair in pairs), 4),
        "p50_ms": round(median(ordered) * 1e3, 3),
        "p95_ms": round(ordered[math.ceil(0.95 * len(ordered)) - 1] * 1e3, 3),
        "cpu_ms": round(run.cpu_seconds / len(pairs) * 1e3, 3),
        "n": len(pairs),
    }


def gain(ranked: Sequence[str], grades: Grades) -> float:
    """Return nDCG@10: the discounted grades found, over those of the best possible ranking."""
    found = [grades.get(document, 0) for document in ranked]
    return _discounted(found) / _discounted(sorted(grades.values(), reverse=True))


def _discounted(grades: Sequence[int]) -> float:
    return math.fsum(
        grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:GAIN_DEPTH], start=1)
    )


def recall(ranked: Sequence[str], grades: Grades) -> float:
    """Return which part of the relevant documents is among the first five."""
    return len(grades.keys() & set(ranked[:RECALL_DEPTH])) / len(grades)


def reciprocal_rank(ranked: Sequence[str], grades: Grades) -> float:
    """Return one over the rank of the first relevant document, 0 if none is among the first ten."""
    ranks = (n for n, document in enumerate(ranked[:GAIN_DEPTH], start=1) if document in grades)
    return 1 / next(ranks, math.inf)


def check_trec_ids(collection: Collection) -> None:
    """Refuse ids that TREC's format cannot hold.

    Raises:
        InputError: an id has a space in it.
    """
    for key in (*collection.queries, *collection.texts):
        if key.split() != [key] or not _is_text(key):
            raise InputError(
                f"The id {key!r} has a space or a broken character in it, which a TREC run cannot "
                "hold. Change it, or leave out --run."
            )


def _is_text(key: str) -> bool:
    return key == key.encode("utf-8", "replace").decode()


def trec_run(run: Run, tag: str) -> str:
    """Return a run in TREC's format: query, Q0, document, rank, score, tag.

    Scorers order by score and break ties in their own ways, so a score that is not below the one
    before it is written a little below it.
    """
    lines: list[str] = []
    for query, ranking in run.rankings.items():
        last = math.inf
        for rank, (document, score) in enumerate(ranking, start=1):
            last = min(score, last - _STEP)
            lines.append(f"{query} Q0 {document} {rank} {last:.6f} {tag}\n")
    return "".join(lines)


def memory_mb() -> tuple[float, float] | None:
    """Return what this process has in memory now and had at most; None where no one says so."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return None
    found = {name: round(int(size) / 1024, 1) for name, size in _MEMORY.findall(status)}
    return found["VmRSS"], found["VmHWM"]
