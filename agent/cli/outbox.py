"""Commands of `assist outbox`: what is still to be sent to LangSmith."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from agent.recording.shipper import Shipper
    from agent.settings import Settings
    from agent.stores import Stores

app = typer.Typer(help="What is still to be sent to LangSmith.", no_args_is_help=True)


@app.command("status")
def status(*, as_json: AsJson = False) -> None:
    """Show what waits, since when and why, what was set aside, and who sends."""
    from agent.settings import load_settings

    is_on = load_settings().langsmith_tracing
    with open_stores() as stores:
        found = {"tracing": is_on, **_counted(stores)}
    if as_json:
        print_json(found)
        return
    typer.echo(f"tracing     {'on' if is_on else 'off (LANGSMITH_TRACING)'}")
    since = f", the oldest since {found['oldest']}" if found["oldest"] else ""
    typer.echo(f"waiting     {found['waiting']}{since}")
    typer.echo(f"last error  {found['last_error'] or '-'}")
    typer.echo(f"parked      {sum(found['parked'].values())}")
    for reason, count in found["parked"].items():
        typer.echo(f"  {count:>8}  {reason}")
    typer.echo(f"sender      {found['sender'] or 'none at the moment'}")


@app.command("flush")
def flush(
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to try for.")] = 30.0,
    *,
    parked: Annotated[
        bool, typer.Option("--parked", help="Try what was set aside once more, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send what waits, now; ends with 1 where something is left."""
    from agent.errors import SettingsError
    from agent.recording.backlog import Backlog
    from agent.settings import load_settings

    settings = load_settings()
    if not settings.langsmith_tracing:
        raise SettingsError("LANGSMITH_TRACING is off, so nothing is sent. Set it to true.")
    with open_stores() as stores:
        if parked:
            Backlog(stores.database, "").unpark()
        before = _counted(stores)["waiting"]
        with _shipper(settings, stores) as shipper:
            shipper.flush(timeout)
        after = _counted(stores)
    if as_json:
        print_json(after)
    else:
        aside = sum(after["parked"].values())
        why = f" ({after['last_error']})" if after["last_error"] else ""
        typer.echo(f"{before} were waiting; {after['waiting']} wait now{why}; {aside} are parked")
    if after["waiting"] or (parked and after["parked"]):
        raise typer.Exit(1)


def _counted(stores: "Stores") -> dict[str, Any]:
    from dataclasses import asdict

    from agent.recording.backlog import outbox_status

    return asdict(outbox_status(stores.database))


@contextmanager
def _shipper(settings: "Settings", stores: "Stores") -> Iterator["Shipper"]:
    """Run a shipper for as long as a command takes; to others it is a process like theirs."""
    from agent.admission import Admission
    from agent.courses.book import CourseBook, find_folder
    from agent.insight.feedback import FeedbackLedger
    from agent.models.catalogue import ModelCatalogue
    from agent.privacy.redactors import Redactors
    from agent.recording.processes import Heartbeat
    from agent.recording.shipper import Shipper

    courses = CourseBook.open(find_folder(settings.data_dir, settings.courses_dir))
    redactors = Redactors(stores.people, stores.roster)
    admission = Admission(stores, courses, ModelCatalogue(settings), redactors)
    heartbeat = Heartbeat(stores.database, sends=True)
    heartbeat.start()
    shipper = Shipper.open(
        settings,
        stores.database,
        process_id=heartbeat.process_id,
        has_consent=admission.may_keep,
        opinions_of=FeedbackLedger(stores.database).to_send,
    )
    shipper.start()
    try:
        yield shipper
    finally:
        shipper.close()
        heartbeat.close()
