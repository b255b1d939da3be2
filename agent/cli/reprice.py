"""The command `assist logs reprice`."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from datetime import date


def logs_reprice(
    since: Annotated[str, typer.Option(help="The first UTC date, ISO 8601.")] = "",
    until: Annotated[str, typer.Option(help="The last UTC date, ISO 8601.")] = "",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Work out the recorded costs anew, by today's price lists for each call's own day."""
    from agent.insight.reprice import reprice
    from agent.prices import PriceList, to_usd
    from agent.settings import load_settings

    first, last = _day("--since", since), _day("--until", until)
    settings = load_settings()
    prices = PriceList.open(settings)
    with open_stores() as stores:
        result = reprice(
            stores.database,
            prices,
            since=first,
            until=last,
            dry_run=dry_run,
            sends=settings.langsmith_tracing,
        )
    if as_json:
        print_json(result.as_json())
        return
    would = "would change" if dry_run else "changed"
    typer.echo(f"{result.runs} calls, {result.changed} {would}")
    before, after = to_usd(result.before_nano_usd), to_usd(result.after_nano_usd)
    typer.echo(f"cost before ${before:.6f}, after ${after:.6f}")
    if result.queued:
        typer.echo(f"{result.queued} wait for LangSmith; to send them now: assist outbox flush")
    if result.kept:
        typer.echo(f"{result.kept} keep the cost they have: no list has a price for them now")
    if result.unpriced:
        typer.echo(f"{result.unpriced} have no known price and are in neither sum")


def _day(option: str, text: str) -> "date | None":
    from datetime import date

    from agent.errors import InputError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"{option} {text!r} is not a date. Write it like 2026-11-22.") from None
