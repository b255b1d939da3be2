"""Commands of `assist eval`: how good the assistant is, measured on labelled data."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.terminal import AsJson, open_recorder, print_json, progress, write_text

if TYPE_CHECKING:
    from agent.evaluation import Collection, Run
    from agent.models.embeddings import IndexEmbeddings
    from agent.settings import Settings

app = typer.Typer(help="Measure the assistant on labelled data.", no_args_is_help=True)


@app.command("retrieval")
def retrieval(
    *,
    corpus: Annotated[Path, typer.Option(help="JSON Lines with `id` and `text`.")],
    queries: Annotated[Path, typer.Option(help="JSON Lines with `id` and `text`.")],
    qrels: Annotated[
        Path, typer.Option(help="JSON Lines with `query_id` and `doc_ids`, or TREC's qrels.")
    ],
    embeddings: Annotated[
        str, typer.Option(help="The embedding to measure; empty: the configured one.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many documents a search returns.")] = 10,
    run: Annotated[
        Path | None, typer.Option(help="Write what was found in TREC's run format.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Index a test collection in a folder of its own and measure what is found, and how fast."""
    from agent.evaluation import check_trec_ids, read_collection, trec_run
    from agent.settings import load_settings

    settings = load_settings(**({"embeddings": embeddings} if embeddings else {}))
    collection = read_collection(corpus, queries, qrels)
    if run is not None:
        check_trec_ids(collection)
        write_text(run, "")  # what cannot be written fails now and not after the work
    found, figures = _measure(settings, collection, limit)
    if run is not None:
        write_text(run, trec_run(found, f"assist-{settings.embeddings}"))
    if as_json:
        print_json(figures)
        return
    for name, value in figures.items():
        typer.echo(f"{name:<12} {'unknown' if value is None else value}")
    if collection.unjudged:
        typer.echo(f"{collection.unjudged} queries without a relevant document were left out.")


def _measure(
    settings: "Settings", collection: "Collection", limit: int
) -> tuple["Run", dict[str, Any]]:
    """Index a collection and search it."""
    from agent.evaluation import (
        figures_of,
        index_texts,
        memory_mb,
        open_index,
        run_queries,
        search_index,
    )

    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="assist-eval-")))
        made = opened.enter_context(_open_embeddings(settings))
        show = opened.enter_context(progress())
        started = time.perf_counter()
        index = opened.enter_context(closing(open_index(folder / "index", made)))
        total = len(collection.texts)
        known = index_texts(index, collection, folder, lambda done: show("Indexing", done, total))
        index_s = time.perf_counter() - started
        found = run_queries(
            collection.queries,
            lambda query: search_index(index, known, query, limit),
            lambda done: show("Searching", done, len(collection.queries)),
        )
        rss, peak = memory_mb() or (None, None)
        withheld = index.stats().withheld
    return found, {
        **figures_of(found, collection.relevant),
        "documents": total,
        "withheld": withheld,
        "index_s": round(index_s, 2),
        "rss_mb": rss,
        "peak_rss_mb": peak,
        "embedding": made.identity,
    }


@contextmanager
def _open_embeddings(settings: "Settings") -> Iterator["IndexEmbeddings"]:
    """Make the embeddings, and record what is paid for."""
    from agent.models.embeddings import is_served, make_embeddings

    with ExitStack() as opened:
        if is_served(settings):
            recorder = opened.enter_context(open_recorder(settings))
            made = make_embeddings(
                settings, callbacks=recorder.callbacks, before_request=recorder.writer.wait
            )
        else:
            made = make_embeddings(settings)
        opened.callback(made.close)
        yield made
