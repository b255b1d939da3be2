"""The tour: index the bundled past assignments, plan, ask, write code, and show the record."""

from collections.abc import Callable
from importlib.resources import files

from rich.console import Console
from rich.text import Text

from agent.blocking import Assistant
from agent.display import render_answer, render_runs
from agent.knowledge import bundled_assignments
from agent.recording.run_store import Run

_QUESTION = "How should I implement JWT authentication in FastAPI?"
_ORDER = (
    "Write a Python class Booking with the fields room, start, end and booked_by, "
    "and a function overlaps(first, second)"
)


def run_demo(assistant: Assistant, console: Console) -> None:
    """Do the main job once, end to end, saying what happens."""
    say = _speaker(console)
    say("1. Index the past assignments that come with the project")
    report = assistant.knowledge.add(bundled_assignments())
    stats = assistant.knowledge.stats()
    console.print(
        f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged: "
        f"{stats.documents} past assignments in {len(stats.languages)} languages, "
        f"{stats.chunks} chunks, embedded by {stats.embedding}"
    )
    brief = (files("agent") / "demo-assignment.md").read_text("utf-8")
    say("2. Plan an assignment it has never seen: 'Room booking API'")
    plan = assistant.ask(brief, prompt_type="planning")
    console.print(render_answer(plan))
    say(f"3. Ask a question about it: {_QUESTION!r}")
    chat = assistant.ask(_QUESTION, assignment_id=plan.assignment_id, thread_id=plan.thread_id)
    console.print(render_answer(chat))
    say(f"4. Ask for code: {_ORDER!r}")
    code = assistant.ask(_ORDER, assignment_id=plan.assignment_id, thread_id=plan.thread_id)
    console.print(render_answer(code))
    say("5. What was recorded")
    runs = [run for answer in (plan, chat, code) for run in _runs_of(assistant, answer.run_id)]
    console.print(render_runs(runs))
    console.print(_where(assistant))


def _runs_of(assistant: Assistant, run_id: str) -> list[Run]:
    return list(assistant.stores.runs.of_root(run_id))


def _speaker(console: Console) -> Callable[[str], None]:
    def say(heading: str) -> None:
        console.print()
        console.print(Text(heading, style="bold reverse"))
        console.print()

    return say


def _where(assistant: Assistant) -> Text:
    settings = assistant.settings
    consent = assistant.stores.consent.status(assistant.stores.user_id)
    text = (
        "The text of questions and answers is recorded: you gave consent."
        if consent.given
        else "No text of yours is in the record: nobody gave consent (assist consent give)."
    )
    lines = [
        text,
        f"Records      {settings.records_url.removeprefix('sqlite:///')}",
        f"Threads      {settings.checkpoints_path}",
        f"Index        {settings.index_path}",
        "Go on with   assist ask 'your question' · assist plan FILE · assist serve",
        "Look around  assist logs list · assist report daily · assist doctor",
    ]
    return Text("\n".join(lines))
