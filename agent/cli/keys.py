"""Commands of `assist keys`: who may use this installation over HTTP, and as what.

Those about the keys that lock what people wrote are in `agent.cli.vault`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import vault
from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from datetime import datetime

    from agent.privacy.audit import Action
    from agent.privacy.keys import KeyInfo
    from agent.stores import Stores

_DAY = 10
"""Characters of a stored time that are its day."""

app = typer.Typer(
    help="API keys, which open the HTTP endpoint; and the keys that lock what people wrote.",
    no_args_is_help=True,
)
for command in (vault.status, vault.backup, vault.restore, vault.rotate):
    app.command()(command)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key: a login name or an enrolment id.")],
    role: Annotated[str, typer.Option(help="student, teacher, auditor or admin.")],
    course: Annotated[
        list[str] | None, typer.Option(help="A course that the key opens; may be repeated.")
    ] = None,
    expires: Annotated[
        str, typer.Option(help="The last day, in UTC, on which it opens; empty: no end.")
    ] = "",
) -> None:
    """Make an API key and print it; it is not kept and cannot be shown again."""
    with open_stores() as stores:
        key, info = stores.keys.create(name, role, course or (), _end_of(expires))
        _note(stores, "create key", info)
    typer.echo(key)
    typer.echo(
        "This key is shown once. Hand it to its person alone; it is sent as the header\n"
        f"'Authorization: Bearer KEY'. To close it: assist keys revoke {info.prefix}",
        err=True,
    )


@app.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """List every API key by its prefix."""
    from dataclasses import asdict

    with open_stores() as stores:
        found = stores.keys.list()
    if as_json:
        print_json([asdict(info) for info in found])
        return
    for info in found:
        typer.echo(_line(info))
    if not found:
        typer.echo("No key was made yet. See 'assist keys create --help'.")


@app.command("revoke")
def revoke(prefix: str) -> None:
    """Close an API key at once and for good."""
    with open_stores() as stores:
        info = stores.keys.revoke(prefix)
        _note(stores, "revoke key", info)
    typer.echo(f"{info.prefix} opens nothing any more.")


def _note(stores: "Stores", action: "Action", info: "KeyInfo") -> None:
    from agent.insight.interactions import note_act
    from agent.privacy.access import local_caller

    caller = local_caller(stores.user_id)
    note_act(stores, caller, action, "key", [info.prefix], door="terminal")


def _end_of(day: str) -> "datetime | None":
    """Return the first moment after a day, or none for an empty text."""
    from datetime import UTC, date, datetime, time, timedelta

    from agent.errors import InputError

    if not day:
        return None
    try:
        next_day = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InputError(f"--expires {day!r} is not a date. Write it like 2027-03-31.") from None
    return datetime.combine(next_day, time(), UTC)


def _line(info: "KeyInfo") -> str:
    state = f"created {info.created_at[:_DAY]}"
    if info.last_used_at:
        state += f", used {info.last_used_at[:_DAY]}"
    if info.expires_at:
        state += f", expires at {info.expires_at[:_DAY]} 00:00 UTC"
    if info.revoked_at:
        state += f", revoked {info.revoked_at[:_DAY]}"
    courses = ",".join(info.courses) or "no course"
    return f"{info.prefix}  {info.role:<8} {info.name}  {courses}  ({state})"
