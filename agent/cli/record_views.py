"""How one request and the reports look on a terminal; the specification's columns come first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent.insight.usage import CategoryUsage, DailyUsage, ModelReport, MonthUsage, Usage
from agent.prices import NANO
from agent.recording.run_store import Run

_TITLES = {"planning": "Planning", "chat": "Chat", "codegen": "Code Generation"}
_USED = ("LLM Runs", "Avg In/Out")
_CALLS = ("llm", "embedding")
_CENT = NANO // 100
_SHORT = 100
"""Milliseconds under which a time in seconds has three decimals."""


def below(runs: Sequence[Run], run_id: str) -> list[Run]:
    """Return one of a request's runs and those below it, in their order."""
    found: dict[str | None, Run] = {}
    for run in runs:
        if run.run_id == run_id or run.parent_run_id in found:
            found[run.run_id] = run
    return list(found.values())


def render_tree(runs: Sequence[Run]) -> RenderableType:
    """Show runs of one request, each after those above it, and what they come to."""
    tree = Tree(Text(f"request {runs[0].root_run_id}"), guide_style="dim")
    branches: dict[str | None, Tree] = {}
    for run in runs:
        above = branches.get(run.parent_run_id, tree)
        branches[run.run_id] = above.add(_line(run))
    return Group(tree, Text(), Text("\n".join(_metrics(runs))))


def render_daily(usage: DailyUsage) -> RenderableType:
    """Show a day as the specification's table."""
    headings = ("Category", "Count", "Total Tokens", "Total Cost", *_USED)
    table = _table(f"Daily Usage {usage.day} (UTC)", headings)
    for row in usage.categories:
        table.add_row(*_category(row, _title(row)))
    table.add_section()
    table.add_row(*_category(usage.total, "Total"), style="bold")
    return table


def render_monthly(months: Sequence[MonthUsage]) -> RenderableType:
    """Show months as the specification's table."""
    headings = ("Month", "Total Interactions", "Total Cost", "Avg Cost/Interaction", "Tokens")
    table = _table("Monthly Trends (UTC)", (*headings, *_USED))
    for row in months:
        table.add_row(
            datetime.fromisoformat(f"{row.month}-01").strftime("%b %Y"),
            f"{row.count:,}",
            _cost(row.cost_nano_usd, row.unpriced),
            _average(row.average_nano_usd),
            f"{row.total_tokens:,}",
            *_used(row),
        )
    return table if months else Text("Nothing was recorded then.")


def render_models(report: ModelReport) -> RenderableType:
    """Show what each model cost as the specification's table."""
    headings = ("Model", "Usage %", "Avg Cost/Request", "Monthly Cost", "Total Cost", "Calls")
    table = _table("Cost Breakdown by Model", headings)
    for row in report.models:
        table.add_row(
            Text(_shown(row.model)),
            f"{row.share:.0%}",
            _average(row.average_nano_usd),
            dollars(round(row.monthly_nano_usd)),
            _cost(row.cost_nano_usd, row.unpriced),
            f"{row.calls:,}",
        )
    apart = Text(
        f"Counted apart: {report.cache_hits:,} replies from a cache, "
        f"{report.offline_runs:,} runs of the offline model."
    )
    return Group(table, apart) if report.models else apart


def dollars(nano: int) -> str:
    """Write an amount with its cents, and with what there is below them."""
    whole, cents = f"{nano / NANO:,.{6 if nano >= _CENT else 9}f}".split(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def _line(run: Run) -> Text:
    is_call = run.run_type in _CALLS
    model = (run.model_served or run.model_asked or "?") if is_call else ""
    facts = [
        run.run_type if run.run_type != run.name else "",
        run.task_type or "",
        model,
        f"{run.status}, paused" if run.paused else run.status,
        run.error or "",
        "from a cache" if run.cache == "hit" else "",
    ]
    if is_call:
        facts.append(f"{_known(run.input_tokens)}+{_known(run.output_tokens)} tokens")
        cost = run.cost_nano_usd
        facts.append("cost unknown" if cost is None else dollars(cost))
    if run.latency_ms is not None:
        first = run.first_token_ms
        spent = f"{run.latency_ms:,.0f} ms"
        facts.append(spent if first is None else f"{spent} (first token {first:,.0f} ms)")
    line = Text(_shown(run.name), style="bold" if is_call else "")
    return line.append("  " + "  ".join(_shown(fact) for fact in facts if fact), style="not bold")


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Return the specification's four lines."""
    calls = [run for run in runs if run.run_type in _CALLS]
    spent = _milliseconds(runs)
    decimals = 1 if spent is None or spent >= _SHORT else 3
    seconds = "unknown" if spent is None else f"{spent / 1000:.{decimals}f} seconds"
    costs = [run.cost_nano_usd for run in calls]
    known = [cost for cost in costs if cost is not None]
    return [
        f"- Input Tokens: {_sum([run.input_tokens for run in calls])}",
        f"- Output Tokens: {_sum([run.output_tokens for run in calls])}",
        f"- Total Cost: {_cost(sum(known), len(costs) - len(known))}",
        f"- Processing Time: {seconds}",
    ]


def _milliseconds(runs: Sequence[Run]) -> float | None:
    """Return how long runs took together: the first one, where all others are below it."""
    top, *others = runs
    ids = {run.run_id for run in runs}
    if top.latency_ms is not None and all(run.parent_run_id in ids for run in others):
        return top.latency_ms
    ends = [run.ended_at for run in runs if run.ended_at]
    if not ends:
        return None
    began = datetime.fromisoformat(min(run.started_at for run in runs))
    return (datetime.fromisoformat(max(ends)) - began).total_seconds() * 1000


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    for place, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if place else "left"
        table.add_column(heading, justify=justify, no_wrap=not place, overflow="fold")
    return table


def _category(row: Usage, title: str) -> tuple[str | Text, ...]:
    cost = _cost(row.cost_nano_usd, row.unpriced)
    return (Text(title), f"{row.count:,}", f"{row.total_tokens:,}", cost, *_used(row))


def _title(row: CategoryUsage) -> str:
    return _TITLES.get(row.category, _shown(row.category))


def _used(row: Usage) -> tuple[str, str]:
    averages = (row.average_input_tokens, row.average_output_tokens)
    shown = ("-" if average is None else f"{average:,.0f}" for average in averages)
    return (f"{row.llm_runs:,}", "/".join(shown))


def _cost(nano: int, unpriced: int) -> str:
    return f"{dollars(nano)} + {unpriced:,} unpriced" if unpriced else dollars(nano)


def _average(nano: float | None) -> str:
    if nano is None:
        return "-"
    return f"${nano / NANO:.3f}" if nano >= _CENT or not nano else dollars(round(nano))


def _sum(numbers: Sequence[int | None]) -> str:
    unknown = sum(number is None for number in numbers)
    known = sum(number or 0 for number in numbers)
    return f"{known} + {unknown} unknown" if unknown else str(known)


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _shown(text: str) -> str:
    """Return a name as it can be shown; whoever chose it may have put control characters in."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
