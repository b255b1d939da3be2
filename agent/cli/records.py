"""Commands that read the records: `assist logs`, `assist report`, `assist consent`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, open_stores, print_json, write_text

if TYPE_CHECKING:
    from agent.privacy.consent import Decision

_MINUTES = 16
"""Characters of a stored time up to its minutes."""

logs = typer.Typer(help="The record of every model call.", no_args_is_help=True)
report = typer.Typer(help="What is read out of the records.", no_args_is_help=True)
consent = typer.Typer(help="Whether the text of your requests is recorded.")


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
def logs_show(run_id: str) -> None:
    """Show one model call, or every call of a request, as JSON."""
    from agent.errors import NotFoundError
    from agent.insight.interactions import note_reading
    from agent.privacy.access import local_caller
    from agent.recording.export import as_interaction

    with open_stores() as stores:
        one = stores.runs.get(run_id)
        runs = [one] if one and one.run_type == "llm" else stores.runs.of_trace(run_id)
        note_reading(stores, local_caller(stores.user_id), runs, door="terminal")
    if not runs:
        raise NotFoundError(f"There is no recorded run {run_id!r}. See 'assist logs list'.")
    print_json([as_interaction(run) for run in runs])


@logs.command("export")
def logs_export(
    output: Annotated[Path | None, typer.Option(help="A file instead of standard output.")] = None,
) -> None:
    """Write every model call as JSON Lines, in the specification's format."""
    from agent.insight.interactions import note_reading
    from agent.privacy.access import local_caller
    from agent.recording.export import as_json_lines

    with open_stores() as stores:
        runs = stores.runs.oldest_first()
        note_reading(stores, local_caller(stores.user_id), runs, door="terminal")
        lines = as_json_lines(runs)
        if output is None:
            for line in lines:
                typer.echo(line)
        else:
            write_text(output, "".join(f"{line}\n" for line in lines))


@report.command("daily")
def report_daily(
    day: Annotated[str, typer.Option(help="A UTC date, ISO 8601; empty: today.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Count calls, tokens and cost of one day by category."""
    from datetime import UTC, date, datetime

    from agent.display import make_console, render_daily
    from agent.errors import InputError
    from agent.insight.usage import daily_usage

    try:
        chosen = date.fromisoformat(day) if day else datetime.now(UTC).date()
    except ValueError:
        raise InputError(f"--day {day!r} is not a date. Write it like 2026-11-22.") from None
    with open_stores() as stores:
        usage = daily_usage(stores.database, chosen.isoformat())
    if as_json:
        print_json(usage.as_json())
    else:
        make_console().print(render_daily(usage))


@consent.callback(invoke_without_command=True)
def consent_show(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the wording and your decision."""
    if context.invoked_subcommand is None:
        _decide(None, as_json=as_json)


@consent.command("give")
def consent_give(*, as_json: AsJson = False) -> None:
    """Agree that the text of your requests is recorded from now on."""
    _decide("given", as_json=as_json)


@consent.command("withdraw")
def consent_withdraw(*, as_json: AsJson = False) -> None:
    """Take your agreement back; no text is recorded from now on."""
    _decide("withdrawn", as_json=as_json)


def _decide(decision: "Decision | None", *, as_json: bool) -> None:
    from dataclasses import asdict

    from agent.privacy.consent import consent_text

    with open_stores() as stores:
        if decision is not None:
            stores.consent.decide(stores.user_id, decision, door="terminal")
        status = stores.consent.status(stores.user_id)
    if as_json:
        print_json({"given": status.given, **asdict(status)})
        return
    if decision != "withdrawn":
        typer.echo(consent_text())
    when = (status.decided_at or "")[:_MINUTES].replace("T", " ")
    ends = (status.expires_at or "")[:_MINUTES].replace("T", " ")
    sentences = {
        "never asked": "Consent not given.",
        "given": f"Consent given on {when} UTC; it holds until {ends}.",
        "withdrawn": f"Consent withdrawn on {when} UTC.",
        "expired": f"Consent given on {when} UTC has expired. Give it again if you agree.",
        "reworded": f"Consent of {when} UTC was to another wording. Give it again if you agree.",
    }
    typer.echo(sentences[status.state])
