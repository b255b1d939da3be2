"""The terminal: `assist …`. Heavy imports happen inside commands, so that help is quick."""

import sys

import typer

from agent.cli import (
    audit,
    consent,
    courses,
    evals,
    index,
    keys,
    outbox,
    privacy,
    records,
    reports,
    reprice,
    requests,
    service,
)

app = typer.Typer(
    help="Plans, answers and code for programming assignments, grounded in past ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (requests.demo, requests.ask, requests.plan, requests.code):
    app.command()(command)
for command in (service.serve, service.doctor):
    app.command()(command)
app.add_typer(index.app, name="index")
app.add_typer(evals.app, name="eval")
records.logs.command("reprice")(reprice.logs_reprice)
app.add_typer(records.logs, name="logs")
app.add_typer(reports.app, name="report")
app.add_typer(outbox.app, name="outbox")
app.add_typer(consent.app, name="consent")
app.add_typer(courses.app, name="course")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(privacy.app, name="privacy")


def main() -> None:
    """Run the terminal; every error leaves as one sentence and an exit code."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last handler: nothing but our own words leaves
        from agent.errors import DraftError, translate

        known = translate(error)
        typer.echo(f"assist: {known}", err=True)
        if isinstance(known, DraftError):
            typer.echo(known.draft)
        sys.exit(known.exit_code)
