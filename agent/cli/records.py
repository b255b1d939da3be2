"""Commands of `assist logs`: read the record, check it, and take in what others recorded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, BinaryIO

import typer

from agent.cli.terminal import AsJson, open_stores, print_json, print_trace_link

_SHOWN = 20
"""Findings that are listed for a person; JSON has all of them."""

logs = typer.Typer(help="The record of every model call.", no_args_is_help=True)


@logs.command("list")
def logs_list(limit: Annotated[int, typer.Option(min=1)] = 20, *, as_json: AsJson = False) -> None:
    """List the newest model calls."""
    from agent.display import make_console, render_runs
    from agent.insight.interactions import note_reading
    from agent.privacy.access import local_caller
    from agent.recording.export import as_interaction

    with open_stores() as stores:
        runs = stores.runs.latest(limit)
        if as_json:
            note_reading(stores, local_caller(stores.user_id), runs, door="terminal")
    if as_json:
        print_json([as_interaction(run) for run in runs])
    else:
        make_console().print(render_runs(runs))


@logs.command("show")
def logs_show(
    run_id: Annotated[str, typer.Argument(help="A request, or any run in it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a request as a tree, with tokens, cost and time; with --json its texts too."""
    from agent.cli.record_views import below, render_tree
    from agent.display import make_console
    from agent.errors import NotFoundError
    from agent.insight.interactions import note_reading
    from agent.privacy.access import local_caller
    from agent.recording.export import as_interaction

    with open_stores() as stores:
        run = stores.runs.get(run_id)
        tree = stores.runs.tree(run.root_run_id if run else run_id)
        runs = below(tree, run_id) if run else list(tree)
        calls = [run for run in runs if run.run_type == "llm"]
        if as_json:
            note_reading(stores, local_caller(stores.user_id), calls, door="terminal")
    if not runs:
        raise NotFoundError(f"There is no recorded run {run_id!r}. See 'assist logs list'.")
    if as_json:
        print_json([as_interaction(call) for call in calls])
        return
    make_console().print(render_tree(runs))
    if runs[0].origin != "imported":
        print_trace_link(runs[0].run_id, runs[0].project)


@logs.command("export")
def logs_export(
    output: Annotated[Path | None, typer.Option(help="A file instead of standard output.")] = None,
) -> None:
    """Write every model call as JSON Lines, in the specification's format."""
    from agent.insight.interactions import note_reading
    from agent.privacy.access import local_caller
    from agent.recording.export import as_json_lines, oldest_pages

    with open_stores() as stores, _open_output(output) as file:
        for runs in oldest_pages(stores.database):
            note_reading(stores, local_caller(stores.user_id), runs, door="terminal")
            for line in as_json_lines(runs):
                file.write(f"{line}\n")


@logs.command("import")
def logs_import(
    file: Annotated[str, typer.Argument(help="JSON Lines as 'export' writes them; - for stdin.")],
    *,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out lines that are wrong.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take in model calls that were recorded elsewhere; what is here already stays."""
    from dataclasses import asdict

    from agent.recording.importing import import_lines

    with open_stores() as stores, _open_input(file) as lines:
        report = import_lines(stores.database, lines, skip_bad=skip_bad)
    if as_json:
        print_json(asdict(report))
        return
    for problem in report.problems:
        typer.echo(problem, err=True)
    typer.echo(
        f"{report.written} imported, {report.already_here} already here, {report.skipped} skipped"
    )


@logs.command("verify")
def logs_verify(*, as_json: AsJson = False) -> None:
    """Check that the record is complete and adds up; exit code 1 if not."""
    from dataclasses import asdict

    from agent.insight.usage import whole_usage
    from agent.recording.verify import verify

    with open_stores() as stores, stores.database.read() as session:
        found = verify(session, whole_usage)
    if as_json:
        print_json({"ok": found.ok, **asdict(found)})
    else:
        for name, count in found.counts.items():
            typer.echo(f"{name:14} {count}")
        for finding in found.findings[:_SHOWN]:
            typer.echo(f"{finding.kind}: {finding.what}")
        if left := len(found.findings[_SHOWN:]):
            typer.echo(f"and {left} more; --json lists all of them")
        typer.echo("ok" if found.ok else f"{len(found.findings)} findings")
    if not found.ok:
        raise typer.Exit(1)


@contextmanager
def _open_output(path: Path | None) -> Iterator[IO[str]]:
    from agent.errors import InputError

    if path is None:
        yield sys.stdout
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Choose a place.") from None


@contextmanager
def _open_input(file: str) -> Iterator[BinaryIO]:
    from agent.errors import InputError

    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = Path(file).open("rb")  # noqa: SIM115 - closed below; only opening may fail here
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).") from None
    with lines:
        yield lines
