"""Commands of `assist index`: the past assignments."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.terminal import AsJson, Course, open_knowledge, print_json, progress

app = typer.Typer(help="The index of past assignments.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(help="Names or ids, as `assist index list` has them.")]
OfCourse = Annotated[
    str | None, typer.Option("--course", help="Those of this course alone; empty: the public ones.")
]


@app.command("add")
def add(
    path: Annotated[
        Path,
        typer.Argument(help="A folder, or a zip, md, txt, ipynb, pdf, docx or jsonl file."),
    ],
    course: Annotated[str, typer.Option(help="Only this course sees them; empty: all do.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Index past assignments; adding the same again changes nothing."""
    from dataclasses import asdict

    with open_knowledge() as knowledge, progress() as show:
        report = knowledge.add(
            path, course=course, on_document=lambda done: show("Reading", done, None)
        )
    if as_json:
        print_json({**asdict(report), "withheld": [one._asdict() for one in report.withheld]})
        return
    typer.echo(f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged")
    for one in report.withheld:
        typer.echo(
            f"withheld: {one.name} looks as if it were addressed to a model ({one.flags}). "
            f"Read it; to have it searched, run: assist index release {one.document_id}",
            err=True,
        )


@app.command("list")
def list_documents(course: OfCourse = None, *, as_json: AsJson = False) -> None:
    """List what is indexed, a document a line."""
    from retrieval.search.snapshot import is_open

    with open_knowledge() as knowledge:
        rows = [row for row in knowledge.index.documents() if course in {None, row["course"]}]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        withheld = "" if is_open(row) else f"  withheld: {row['flags']}"
        scope = row["course"] or "public"
        typer.echo(f"{row['document_id']}  {scope}  {row['kind']}  {row['name']}{withheld}")
    if not rows:
        typer.echo("Nothing is indexed.")


@app.command("search")
def search(
    query: str,
    course: Course = "",
    language: Annotated[str, typer.Option(help="This programming language alone.")] = "",
    kind: Annotated[str, typer.Option(help="`assignment` or `material` alone.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 4,
    *,
    as_json: AsJson = False,
) -> None:
    """Search the past assignments, and say why each one was found."""
    with open_knowledge() as knowledge:
        sources = knowledge.search(
            query, course=course, language=language.lower(), kind=kind.lower(), limit=limit
        )
    if as_json:
        print_json(sources)
        return
    for source in sources:
        passage = " ".join(source["passage"].split())[:200]
        parts = " + ".join(f"{name} {part:.2f}" for name, part in source["parts"].items())
        typer.echo(f"[{source['number']}] {source['score']:.3f} {source['title']}")
        typer.echo(f"    {source['place']}: {passage}")
        typer.echo(f"    {parts}; has: {', '.join(source['matched']) or 'none of the words'}")
    if not sources:
        typer.echo("No past assignment fits.")


@app.command("remove")
def remove(
    names: Annotated[list[str] | None, typer.Argument(help="Names or ids of documents.")] = None,
    course: OfCourse = None,
    author: Annotated[str, typer.Option(help="All that this student wrote and shared.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Take documents out of the index, and out of its files."""
    with open_knowledge() as knowledge:
        found = knowledge.find(names or [], course=course, author=author)
        removed = knowledge.index.remove([row["document_id"] for row in found])
    if as_json:
        print_json({"removed": removed})
    else:
        typer.echo(f"{removed} removed")


@app.command("release")
def release(names: Names, course: OfCourse = None, *, as_json: AsJson = False) -> None:
    """Let documents be searched that were withheld as suspicious."""
    with open_knowledge() as knowledge:
        found = knowledge.find(names, course=course)
        released = knowledge.index.release([row["document_id"] for row in found])
    if as_json:
        print_json({"released": released})
    else:
        typer.echo(f"{released} released")


@app.command("stats")
def stats(*, as_json: AsJson = False) -> None:
    """Say what the index holds."""
    from dataclasses import asdict

    with open_knowledge() as knowledge:
        stats = asdict(knowledge.stats())
    if as_json:
        print_json(stats)
    else:
        for name, value in stats.items():
            counts = value.items() if isinstance(value, dict) else ()
            shown = ", ".join(f"{key or 'none'} {count}" for key, count in counts)
            typer.echo(f"{name:<12} {shown or value}")


@app.command("rebuild")
def rebuild() -> None:
    """Embed everything in the index again, with the embedding that is configured now."""
    with open_knowledge() as knowledge, progress() as show:
        chunks = knowledge.rebuild(lambda done, total: show("Embedding", done, total))
    typer.echo(f"{chunks} chunks embedded again")


@app.command("model")
def model(
    name: Annotated[str, typer.Argument(help="`minilm`, the one model that has to be prepared.")],
    *,
    download: Annotated[
        bool, typer.Option(help="Load it from the network where it is not on this machine.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Prepare the files of an embedding, and say what was done."""
    from dataclasses import asdict

    from agent.errors import InputError
    from agent.models.embeddings import MINILM
    from agent.settings import load_settings
    from retrieval.embedding.weights import prepare

    if name != MINILM:
        raise InputError(f"{name!r} has no files to prepare. Only {MINILM!r} has.")
    done = prepare(load_settings().minilm_path, download=download)
    if as_json:
        print_json(asdict(done))
        return
    for place in done.refused:
        typer.echo(f"not used: {place}", err=True)
    verb = "is ready" if done.already_there else f"was made in {done.seconds:.0f} s"
    typer.echo(f"MiniLM {verb}: {done.folder}, {done.bytes / 1e6:.0f} MB, from {done.source}")
    typer.echo("To use it, set ASSIST_EMBEDDINGS=minilm and run: assist index rebuild")
