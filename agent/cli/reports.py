"""Commands that add the records up: `assist report`."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from datetime import date

app = typer.Typer(help="What is read out of the records.", no_args_is_help=True)

OneCourse = Annotated[str, typer.Option(metavar="ID", help="One course; none: all of them.")]


@app.command("daily")
def daily(
    day: Annotated[str, typer.Option("--date", help="A UTC date; empty: today.")] = "",
    course: OneCourse = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Count requests, tokens and cost of one day by category."""
    from datetime import UTC, datetime

    from agent.cli.record_views import render_daily
    from agent.display import make_console
    from agent.insight.usage import daily_usage

    chosen = _date(day, "--date") or datetime.now(UTC).date()
    with open_stores() as stores:
        usage = daily_usage(stores.database, chosen.isoformat(), course)
    if as_json:
        print_json(usage.as_json())
    else:
        make_console().print(render_daily(usage))


@app.command("monthly")
def monthly(
    month: Annotated[str, typer.Option(help="A UTC month like 2026-11; empty: each one.")] = "",
    course: OneCourse = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Count requests, cost and cost a request of each month."""
    from agent.cli.record_views import render_monthly
    from agent.display import make_console
    from agent.insight.usage import Scope, monthly_usage

    scope = Scope(*_month(month), course)
    with open_stores() as stores:
        months = monthly_usage(stores.database, scope)
    if as_json:
        print_json([row.as_json() for row in months])
    else:
        make_console().print(render_monthly(months))


@app.command("models")
def models(
    since: Annotated[str, typer.Option(help="The first UTC date; empty: the beginning.")] = "",
    until: Annotated[str, typer.Option(help="The last UTC date; empty: today.")] = "",
    course: OneCourse = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Say what each model was used for and cost."""
    from agent.cli.record_views import render_models
    from agent.display import make_console
    from agent.insight.usage import Scope, model_usage

    scope = Scope(_date(since, "--since"), _date(until, "--until"), course)
    with open_stores() as stores:
        report = model_usage(stores.database, scope)
    if as_json:
        print_json(report.as_json())
    else:
        make_console().print(render_models(report))


def _date(text: str, option: str) -> "date | None":
    from datetime import date

    from agent.errors import InputError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"{option} {text!r} is not a date. Write it like 2026-11-22.") from None


def _month(text: str) -> "tuple[date | None, date | None]":
    """Return the first and the last day of a month; none for no month."""
    from calendar import monthrange
    from datetime import date

    from agent.errors import InputError

    if not text:
        return None, None
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise InputError(f"--month {text!r} is not a month. Write it like 2026-11.") from None
    return first, first.replace(day=monthrange(first.year, first.month)[1])
