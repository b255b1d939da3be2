"""Commands of `assist keys` about the keys that lock what people wrote."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, print_json

if TYPE_CHECKING:
    from agent.privacy.keyring import KeyRing


def backup(file: Annotated[Path, typer.Argument(help="A file that is not there yet.")]) -> None:
    """Write the keys that lock what people wrote to a file."""
    from agent.privacy.key_backup import KEEP_DAYS, back_up

    with _open_ring() as ring:
        number = back_up(ring, file)
    typer.echo(f"{file} holds the keys of {number} people, and the key that locks them.")
    typer.echo(
        "Whoever has this file can read everything that is stored. Keep it elsewhere than the\n"
        f"records and their backups, and for at most {KEEP_DAYS} days: what is erased meanwhile\n"
        "stays readable with it. Keys made later are not in it, so back them up again.",
        err=True,
    )


def restore(
    file: Annotated[Path, typer.Argument(help="What `assist keys backup` wrote.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the keys that are here are others.")
    ] = False,
) -> None:
    """Put keys back that are missing or damaged; those that were destroyed stay so."""
    from agent.privacy import key_backup
    from agent.settings import load_settings
    from agent.stores import read_erasures

    erased_at = read_erasures(load_settings())
    with _open_ring(is_whole=False) as ring:
        report = key_backup.restore(ring, file, force=force, erased_at=erased_at)
    typer.echo(
        f"Keys of people put back: {report.put_back}; already here: {report.already_here}; "
        f"destroyed since: {report.stay_destroyed}."
    )
    for kek_id in report.kek_ids:
        typer.echo(f"The key {kek_id}, which locks them, was put back.")
    if report.set_aside:
        typer.echo(f"What stood in the file of keys, damaged, is now {report.set_aside}.", err=True)
    for kek_id, number in report.stay_locked.items():
        typer.echo(
            f"Warning: {number} people's keys stay locked by the key {kek_id}, which is in no "
            "backup that was restored. What they sealed shows as damaged until one is.",
            err=True,
        )


def rotate() -> None:
    """Lock people's keys with a new key, and remove the old one; killed, run it again."""
    with _open_ring() as ring:
        if not ring.renew() and not ring.keks.is_given:
            typer.echo("A rotation that was begun is finished.", err=True)
        number = ring.state().people

        def show(done: int) -> None:
            typer.echo(f"\r{done} of {number} keys", nl=False, err=True)

        done = ring.rotate(show) if sys.stderr.isatty() else ring.rotate()
        state = ring.state()
    if sys.stderr.isatty() and done:
        typer.echo(err=True)
    typer.echo(f"{done} keys were locked anew; {state.kek_id} locks all {state.people}.")
    if ring.keks.is_given:
        typer.echo("Remove the other keys from ASSIST_KEK where the service starts.", err=True)
    if state.backed_up_at is None:
        typer.echo(f"Warning: {state.backup_told}", err=True)


def status(*, as_json: AsJson = False) -> None:
    """Show which key locks people's keys, how many there are, and when they were backed up."""
    from dataclasses import asdict

    with _open_ring() as ring:
        state = ring.state()
    if as_json:
        print_json(asdict(state))
        return
    typer.echo(f"The key {state.kek_id} in {state.kek_place} locks people's keys.")
    if others := set(state.kek_ids) - {state.kek_id}:
        typer.echo(f"Still locked by {', '.join(sorted(others))}; run: assist keys rotate")
    typer.echo(f"People with a key: {state.people}; destroyed keys: {state.destroyed}")
    if state.lost:
        typer.echo(f"Keys that stay locked, because what locks them is lost: {state.lost}")
    typer.echo(f"Backup: {state.backup_told}")


@contextmanager
def _open_ring(*, is_whole: bool = True) -> "Iterator[KeyRing]":
    from agent.errors import StorageError
    from agent.settings import load_settings
    from agent.stores import open_keys

    try:
        ring = open_keys(load_settings(), is_whole=is_whole)
    except StorageError as error:
        raise StorageError(
            f"{error} A file that is damaged has to be moved away before keys are restored."
        ) from error
    try:
        yield ring
    finally:
        ring.close()
