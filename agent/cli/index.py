"""Commands of `assist index`: the past assignments."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.terminal import AsJson, Course, open_knowledge, print_json

app = typer.Typer(help="The index of past assignments.", no_args_is_help=True)


@app.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="A folder, or a md, txt, ipynb or jsonl file.")],
    course: Annotated[str, typer.Option(help="Only this course sees them; empty: all do.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Index past assignments; adding the same again changes nothing."""
    from dataclasses import asdict

    with open_knowledge() as knowledge:
        report = knowledge.add(path, course=course)
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged")


@app.command("search")
def search(
    query: str,
    course: Course = "",
    limit: Annotated[int, typer.Option(min=1)] = 4,
    *,
    as_json: AsJson = False,
) -> None:
    """Search the past assignments."""
    with open_knowledge() as knowledge:
        sources = knowledge.search(query, course=course, limit=limit)
    if as_json:
        print_json(sources)
        return
    for source in sources:
        passage = " ".join(source["passage"].split())[:200]
        typer.echo(f"[{source['number']}] {source['score']:.3f} {source['title']}")
        typer.echo(f"    {source['place']}: {passage}")
    if not sources:
        typer.echo("No past assignment fits.")


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
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            typer.echo(f"{name:<12} {shown}")


@app.command("rebuild")
def rebuild() -> None:
    """Embed everything in the index again, with the embedding that is configured now."""
    with open_knowledge() as knowledge:
        typer.echo(f"{knowledge.rebuild()} chunks embedded again")
