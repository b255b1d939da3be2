"""Commands of `assist consent`: what is agreed to in a course, and the local person's decision."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from agent.courses.book import CourseBook
    from agent.privacy.consent import ConsentStatus

_MINUTES = 16
"""Characters of a stored time up to its minutes."""

app = typer.Typer(help="Whether the text of your requests is recorded.")

Course = Annotated[str, typer.Option(metavar="ID", help="A course; none: the default course.")]


@app.callback(invoke_without_command=True)
def show(context: typer.Context, course: Course = "", *, as_json: AsJson = False) -> None:
    """Show the wording and your decision."""
    context.obj = course  # so that `assist consent --course ID give` means that course too
    if context.invoked_subcommand is None:
        _decide(course, given=None, as_json=as_json)


@app.command("give")
def give(context: typer.Context, course: Course = "", *, as_json: AsJson = False) -> None:
    """Agree that the text of your requests is recorded from now on."""
    _decide(course or context.obj, given=True, as_json=as_json)


@app.command("withdraw")
def withdraw(context: typer.Context, course: Course = "", *, as_json: AsJson = False) -> None:
    """Take your agreement back, in every course; no text is recorded from now on."""
    _decide(course or context.obj, given=False, as_json=as_json)


def _decide(course: str, *, given: bool | None, as_json: bool) -> None:
    from dataclasses import asdict

    from agent.privacy.access import local_caller
    from agent.privacy.agreements import Agreements

    book = _read_courses(is_needed=given is not False)
    with open_stores() as stores:
        caller = local_caller(stores.user_id)
        agreements = Agreements(book, stores.consent)
        if given is None:
            wording, status = agreements.consent_of(caller, course)
        else:
            wording, status = agreements.decide(caller, course, given=given, door="terminal")
    if as_json:
        print_json({"given": status.given, **asdict(status)})
        return
    if given is not False:
        typer.echo(wording.text)
    typer.echo(_sentence(status))


def _read_courses(*, is_needed: bool) -> "CourseBook":
    from agent.courses.book import CourseBook, find_folder
    from agent.errors import SettingsError
    from agent.settings import load_settings

    settings = load_settings()
    try:
        return CourseBook.open(find_folder(settings.data_dir, settings.courses_dir))
    except SettingsError:
        if is_needed:
            raise
        return CourseBook.open()  # a slip in some course's file keeps nobody from withdrawing


def _sentence(status: "ConsentStatus") -> str:
    when = (status.decided_at or "")[:_MINUTES].replace("T", " ")
    ends = (status.expires_at or "")[:_MINUTES].replace("T", " ")
    sentences = {
        "never asked": "Consent not given.",
        "given": f"Consent given on {when} UTC; it holds until {ends}.",
        "withdrawn": f"Consent withdrawn on {when} UTC.",
        "expired": f"Consent given on {when} UTC has expired. Give it again if you agree.",
        "reworded": f"Consent of {when} UTC was to another wording. Give it again if you agree.",
    }
    return sentences[status.state]
