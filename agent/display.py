"""How answers and runs look on a terminal; in a pipe the same without colour."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from agent.answer import Answer, QuotedSource
from agent.prices import NANO
from agent.recording.run_store import Run
from graphs.code import Code
from graphs.markdown import describe
from graphs.plan import Plan

_CLOCK = slice(5, 19)
"""Month, day and time of day of a stored time."""
_TOOLS = 16
"""Columns that a task's tools may take; the task itself matters more."""
_WORDS = 8
"""Words of the request that are shown beside a source that has them."""
_PASSAGE = 110
"""Characters of a quoted passage that a list of sources shows."""


def render_answer(answer: Answer) -> RenderableType:
    """Show an answer with its sources and its footer."""
    if answer.plan:
        body = render_plan(answer.plan)
    elif answer.code:
        body = render_code(answer.code)
    else:
        body = Markdown(answer.text)
    parts: list[RenderableType] = [body]
    if answer.sources:
        parts += [Text(), render_sources(answer.sources)]
    return Group(*parts, Text(), Text("\n".join(answer.footer), style="dim"))


def render_plan(plan: Plan) -> RenderableType:
    """Show a plan as a table, its critical path marked."""
    needs = plan.requirements
    table = Table(title=Text(f"Plan: {plan.title}", style="bold"), title_justify="left")
    for heading, right in (("", False), ("task", False), ("after", False), ("min", True)):
        table.add_column(heading, justify="right" if right else "left")
    table.add_column("tools", max_width=_TOOLS)
    number = {task.id: str(place) for place, task in enumerate(plan.tasks, 1)}
    critical = set(plan.computed.critical_path)
    for task in plan.tasks:
        table.add_row(
            f"{number[task.id]}{'*' if task.id in critical else ''}",
            Text(task.description),
            ", ".join(number[other] for other in task.dependencies) or "-",
            str(task.estimated_duration),
            Text(", ".join(task.tool_requirements)),
            style="bold" if task.id in critical else None,
        )
    path = " -> ".join(number[step] for step in plan.computed.critical_path)
    return Group(
        table,
        Text(" · ".join(describe(needs))),
        Text(
            f"{plan.estimated_total_duration} minutes of work; * critical path {path}: "
            f"{plan.computed.critical_minutes} minutes at least"
        ),
        _bullets("To hand in", needs.deliverables),
        _bullets("Risks", plan.risk_factors),
        _bullets("Done when", plan.success_criteria),
    )


def render_code(code: Code) -> RenderableType:
    """Show generated files, then the notes."""
    parts: list[RenderableType] = []
    for file in code.files:
        parts += [
            Text(file.path, style="bold"),
            Syntax(
                file.content, file.language or "text", word_wrap=True, background_color="default"
            ),
        ]
    return Group(*parts, _bullets("Notes", code.notes))


def render_sources(sources: Sequence[QuotedSource]) -> RenderableType:
    """List the past assignments that an answer rests on."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for source in sources:
        passage = " ".join(source.passage.split())
        cut = passage if len(passage) <= _PASSAGE else f"{passage[:_PASSAGE]}…"
        told = Text(f"{source.title} ({source.place})\n{cut}")
        if source.matched:
            told.append(f"\nhas: {', '.join(source.matched[:_WORDS])}", style="dim")
        grid.add_row(Text(f"[{source.number}]"), told)
    return Group(Text("Sources", style="bold"), grid)


def render_runs(runs: Sequence[Run]) -> RenderableType:
    """Show model calls, two lines each: the facts, and the id to look it up by."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    headings = ("UTC", "task", "model", "status", "tokens", "cost", "text")
    for _ in headings:
        grid.add_column(no_wrap=True)
    grid.add_row(*(Text(heading, style="bold") for heading in headings))
    for run in runs:
        cells = (
            run.started_at[_CLOCK].replace("T", " "),
            run.task_type or run.name,
            run.model_served or run.model_asked or "?",
            run.status,
            f"{_known(run.input_tokens)}+{_known(run.output_tokens)}",
            _dollars(run.cost_nano_usd),
            "kept" if run.content == "kept" else "none",
        )
        grid.add_row(*map(Text, cells))
    ids = Text("\n".join(f"run {run.run_id}  {run.task_type or run.name}" for run in runs))
    return Group(grid, Text(), ids) if runs else Text("Nothing is recorded yet.")


def make_console() -> Console:
    """Return a console that writes plain text into a pipe."""
    return Console(highlight=False, markup=False)


def _bullets(heading: str, items: Sequence[str]) -> RenderableType:
    if not items:
        return Text()
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=3, justify="right")
    for item in items:
        grid.add_row("-", Text(item))
    return Group(Text(heading, style="bold"), grid)


def _known(value: int | None) -> str:
    return "?" if value is None else str(value)


def _dollars(nano: int | None) -> str:
    return "unknown" if nano is None else f"${nano / NANO:.6f}"
