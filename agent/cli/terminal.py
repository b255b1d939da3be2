"""What the commands share: opening what they need, reading texts, printing JSON."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agent.blocking import Assistant
    from agent.knowledge import Knowledge
    from agent.recording.recorder import Recorder
    from agent.settings import Settings
    from agent.stores import Stores

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Course = Annotated[str, typer.Option(help="Use this course's past assignments too.")]


@contextmanager
def open_assistant() -> Iterator["Assistant"]:
    """Open the whole assistant."""
    from agent.blocking import Assistant
    from agent.settings import load_settings

    with Assistant(load_settings()) as assistant:
        yield assistant


@contextmanager
def open_stores() -> Iterator["Stores"]:
    """Open the records alone."""
    from agent.settings import load_settings
    from agent.stores import Stores

    stores = Stores.open(load_settings())
    try:
        yield stores
    finally:
        stores.close()


@contextmanager
def open_knowledge() -> Iterator["Knowledge"]:
    """Open the index alone, and the records where a server is paid for its embeddings."""
    from agent.knowledge import Knowledge
    from agent.models.embeddings import is_served
    from agent.settings import load_settings

    settings = load_settings()
    with ExitStack() as opened:
        if not is_served(settings):
            knowledge = Knowledge(settings)
        else:
            recorder = opened.enter_context(open_recorder(settings))
            knowledge = Knowledge(
                settings, callbacks=recorder.callbacks, before_request=recorder.writer.wait
            )
        opened.callback(knowledge.close)
        yield knowledge


@contextmanager
def open_recorder(settings: "Settings") -> Iterator["Recorder"]:
    """Record what the local person does without a model."""
    from agent.courses.book import CourseBook, find_folder
    from agent.privacy.agreements import Agreements
    from agent.privacy.owner import Owner
    from agent.privacy.redactors import Redactors
    from agent.recording.recorder import Recorder

    with open_stores() as stores:
        courses = CourseBook.open(find_folder(settings.data_dir, settings.courses_dir))
        agreements = Agreements(courses, stores.consent)
        recorder = Recorder(
            settings,
            stores.database,
            default_owner=Owner(stores.user_id),
            has_consent=lambda owner: agreements.status_of(owner).given,
            make_redactor=Redactors(stores.people, stores.roster).of,
        )
        try:
            yield recorder
        finally:
            recorder.close()


def read_argument(text: str) -> str:
    """Return a text argument, or standard input for `-`."""
    if text != "-":
        return text
    from agent.errors import InputError

    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("Standard input is not UTF-8 text.") from None


def read_file(path: Path) -> str:
    """Return the text of an assignment file, under its title.

    Raises:
        DocumentError: it cannot be read as one document.
    """
    from agent.errors import InputError
    from retrieval.reading.documents import read_documents
    from retrieval.reading.titles import title_of

    if path.is_dir():
        raise InputError(f"{path} is a folder. Name one assignment file.")
    documents = list(read_documents(path))
    if len(documents) != 1:
        raise InputError(f"{path} holds {len(documents)} documents. Name a file with one.")
    (document,) = documents
    named = title_of(document.text) == document.title
    return document.text if named else f"# {document.title}\n\n{document.text}"


def write_text(path: Path, text: str) -> None:
    """Write a file, with the folders it needs.

    Raises:
        InputError: it cannot be written there.
    """
    from agent.errors import InputError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Choose a place.") from None


def print_trace_link(run_id: str, project: str | None = None) -> None:
    """Print where LangSmith shows a run, if it says so at once.

    Args:
        run_id: The run's id.
        project: The LangSmith project of the trace outside, where the run is in one.

    """
    from agent.settings import load_settings

    settings = load_settings()
    if not settings.langsmith_tracing:
        return
    from agent.recording.langsmith import find_trace_url

    if url := find_trace_url(settings, {"run_id": run_id, "project": project}):
        typer.echo(f"Trace: {url}")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show bars where a person watches, and nothing in a pipe.

    What is handed out is told what is done, how much of it, and of how much, if that is known.
    """
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
