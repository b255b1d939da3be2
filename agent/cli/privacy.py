"""Commands of `assist privacy`: what the service does with personal data."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from agent.erasure import Eraser
    from agent.privacy.erasure import Receipt, Step
    from agent.retention import Report

_SECONDS = 19
"""Characters of a stored time up to its seconds."""
_TRACES = 30.0
"""Seconds that LangSmith is waited for."""

app = typer.Typer(help="Personal data: what is replaced, given out and erased.")
Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="A login name or an enrolment id, or a pseudonym.")
]


@app.callback()
def privacy() -> None:
    """Personal data: what is replaced, given out and erased."""


@app.command("export")
def export(
    person: Person,
    out: Annotated[Path | None, typer.Option(help="A new file; none: the terminal.")] = None,
) -> None:
    """Give out everything that is kept of a person, as JSON Lines; this is written down."""
    from agent.errors import InputError
    from agent.holdings import find_person
    from agent.privacy.access import local_caller

    with _open_eraser() as eraser:
        stores = eraser.stores
        user_id = find_person(stores, person)
        if out is not None and out.exists():
            raise InputError(f"{out} is there already. Name a new file.")
        lines = eraser.export(user_id, local_caller(stores.user_id), door="terminal")
        if out is None:
            for line in lines:
                typer.echo(line, nl=False)
            return
        from agent.database import make_private

        try:
            make_private(out)
            with out.open("w", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            raise InputError(f"{out} cannot be written ({error.strerror}).") from None
    typer.echo(f"Everything of {user_id} is in {out}, for whoever can read that file.")


@app.command("erase")
def erase(
    person: Annotated[
        str, typer.Argument(metavar="[PERSON]", help="A login name, or a pseudonym.")
    ] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with whatever is not finished.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everything of a person for good, and print a receipt; exit code 1 while it is pending.

    What stays is said in the receipt. Backups hold no text of theirs that opens, as soon as no
    backup of the keys is left that is older than this.
    """
    from agent.errors import InputError
    from agent.holdings import find_person
    from agent.privacy.access import local_caller

    if bool(person) == resume:
        raise InputError("Name one person, or say --resume.")
    with _open_eraser(is_quiet=as_json) as eraser:
        if resume:
            receipts = eraser.resume()
        else:
            user_id = find_person(eraser.stores, person)
            _confirm(f"Erase everything of {person} ({user_id}) for good?", yes=yes)
            caller = local_caller(eraser.stores.user_id)
            receipts = [eraser.erase(user_id, caller, door="terminal")]
    _print(receipts, as_json=as_json)
    if not all(receipt.finished_at for receipt in receipts):
        raise typer.Exit(1)


@app.command("erasures")
def erasures(*, as_json: AsJson = False) -> None:
    """List every erasure, with what it removed."""
    from agent.privacy.erasure import ErasureLedger

    with open_stores() as stores:
        receipts = list(ErasureLedger(stores.database).all())
    _print(receipts, as_json=as_json)


@contextmanager
def _open_eraser(*, is_quiet: bool = True) -> "Iterator[Eraser]":
    from agent.erasure import Eraser
    from agent.holdings import holdings_of
    from agent.settings import load_settings

    def show(step: "Step") -> None:
        if not is_quiet and sys.stderr.isatty():
            typer.echo(f"{step.store}: {step.state}", err=True)

    with open_stores() as stores:
        holdings = holdings_of(stores, load_settings(), patience=_TRACES)
        yield Eraser(stores=stores, holdings=holdings, on_step=show)


def _confirm(question: str, *, yes: bool) -> None:
    from agent.errors import InputError

    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError("Nobody can be asked here. Say --yes if it is meant.")
    if not typer.confirm(question):
        raise typer.Exit(1)


def _print(receipts: "list[Receipt]", *, as_json: bool) -> None:
    if as_json:
        print_json([receipt.as_json() for receipt in receipts])
        return
    for receipt in receipts:
        state = "finished" if receipt.finished_at else "pending"
        at = (receipt.finished_at or receipt.asked_at)[:_SECONDS]
        typer.echo(f"{receipt.user_id}  {state}  {at} UTC  ({receipt.erasure_id})")
        for step in receipt.steps:
            line = f"  {step.store:<14} {step.removed:>6}  {step.state:<8} {step.at[:_SECONDS]}"
            typer.echo(f"{line}  {step.note}".rstrip())
    if not receipts:
        typer.echo("Nothing was asked to be erased, or all of it is finished.")


@app.command("retain")
def retain(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is over, and remove nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is past the days of its course; `serve` does the same once a day.

    It can be killed and run again. Exit code 1 where something is left to do.
    """
    from agent.courses.book import CourseBook, find_folder
    from agent.privacy.access import local_caller
    from agent.recording.turns import PATIENCE
    from agent.retention import Retainer
    from agent.settings import load_settings
    from agent.thread_book import ThreadBook

    settings = load_settings()
    courses = CourseBook.open(find_folder(settings.data_dir, settings.courses_dir))
    with open_stores() as stores:
        threads = ThreadBook(stores.database, settings.checkpoints_path)
        retainer = Retainer(stores=stores, courses=courses, threads=threads)
        caller = local_caller(stores.user_id)
        if dry_run:
            report = retainer.look()
        else:
            report = retainer.retain(caller, door="terminal", patience=PATIENCE)
    if as_json:
        print_json({"dry_run": dry_run, **report.as_json()})
    else:
        _print_expired(report, dry_run=dry_run)
    if report.state != "done":
        raise typer.Exit(1)


def _print_expired(report: "Report", *, dry_run: bool) -> None:
    for one in report.removed:
        typer.echo(f"{one.what:<15} {one.course:<20} {one.count:>9}  ({one.data_class})")
    if not report.removed:
        typer.echo("Nothing is past its time.")
    elif dry_run:
        typer.echo("Nothing was removed: this was only a look.")
    if report.state == "elsewhere":
        typer.echo("Another process is doing this. Look again when it is ready.", err=True)
    elif report.state == "in log":
        typer.echo(
            "What was removed still stands in the database's log, because another program reads "
            "it all the time. Run this again when less is going on.",
            err=True,
        )


@app.command("redact")
def redact(
    jsonl: Annotated[
        Path,
        typer.Option(help="Rows with `id` and `text`, and, if known, `enrolment` and `roster`."),
    ],
) -> None:
    """Redact each row by itself; print rows of `id`, `text` and `spans` of the original."""
    from agent.privacy.redaction import Enrolment, Redactor, Roster

    rosters: dict[tuple[str, ...], Roster] = {}
    for number, row in _rows(jsonl):
        names = tuple(_texts(row.get("roster") or (), f"{jsonl}:{number}: 'roster'"))
        record = row.get("enrolment") or {}
        known = {name: record[name] for name in Enrolment.__slots__ if record.get(name)}
        values = _texts(known.values(), f"{jsonl}:{number}: 'enrolment'")
        enrolment = Enrolment(**dict(zip(known, values, strict=True))) if known else None
        if names not in rosters:
            rosters[names] = Roster(names)
        redacted = Redactor(enrolment, rosters[names]).redact(row["text"])
        spans = [
            {"start": span.start, "end": span.end, "type": span.type} for span in redacted.spans
        ]
        shown = {"id": row.get("id"), "text": redacted.text, "spans": spans}
        typer.echo(json.dumps(shown, ensure_ascii=False))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    from agent.errors import InputError

    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}).") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise InputError(f"{path}:{number} is not a JSON object with a 'text'.")
        if not isinstance(row.get("enrolment") or {}, dict):
            raise InputError(f"{path}:{number}: 'enrolment' is not an object.")
        yield number, row


def _texts(values: Any, place: str) -> list[str]:
    from agent.errors import InputError

    texts = [values] if isinstance(values, str) else list(values)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{place} holds something that is no text.")
    return texts
