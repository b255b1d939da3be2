"""Commands that read the audit log: `assist audit list`, `assist audit verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from agent.privacy.audit import AuditEntry

_SHOWN = 20
"""Findings that are listed for a person; JSON has all of them."""
_SECONDS = 19
"""Characters of a stored time up to its seconds."""

app = typer.Typer(help="Who read whose content, when and why.", no_args_is_help=True)


@app.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(min=1)] = 20,
    subject: Annotated[str, typer.Option(help="Whose content: a pseudonym.")] = "",
    reader: Annotated[str, typer.Option(help="Who read: a pseudonym.")] = "",
    since: Annotated[str, typer.Option(help="A UTC date, ISO 8601.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List the newest entries."""
    from datetime import date

    from agent.errors import InputError

    try:
        day = date.fromisoformat(since).isoformat() if since else None
    except ValueError:
        raise InputError(f"--since {since!r} is not a date. Write it like 2026-11-22.") from None
    with open_stores() as stores:
        entries = stores.audit.list(
            limit, subject=subject or None, reader=reader or None, since=day
        )
    if as_json:
        print_json([entry.as_json() for entry in entries])
        return
    for entry in entries:
        typer.echo(_line(entry))
    if not entries:
        typer.echo("No entry fits." if subject or reader or since else "Nothing was read yet.")


@app.command("verify")
def audit_verify(
    head: Annotated[str, typer.Option(help="The head that an earlier check printed.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, taken out or moved; exit code 1 if one was."""
    from dataclasses import asdict

    with open_stores() as stores:
        checked = stores.audit.verify(head.strip().lower() or None)
    if as_json:
        print_json({"intact": checked.intact, **asdict(checked)})
    else:
        for finding in checked.findings[:_SHOWN]:
            typer.echo(f"{finding.kind:8} at entry {finding.entry}")
        if left := len(checked.findings[_SHOWN:]):
            typer.echo(f"and {left} more; --json lists all of them")
        state = "intact" if checked.intact else "not intact"
        typer.echo(f"{checked.entries} entries, {state}\nhead {checked.head}")
    if not checked.intact:
        raise typer.Exit(1)


def _line(entry: "AuditEntry") -> str:
    named = entry.ids[0] if len(entry.ids) == 1 else f"{len(entry.ids)} of them"
    whose = f" of {entry.subject}" if entry.subject else ""
    why = f": {entry.reason}" if entry.reason else ""
    at = entry.at[:_SECONDS].replace("T", " ")
    return (
        f"{entry.entry}  {at}  {entry.role} {entry.reader}  {entry.action} "
        f"({entry.object_kind} {named}{whose}) by {entry.door}{why}"
    )
