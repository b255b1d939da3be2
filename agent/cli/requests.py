"""Commands that ask for something: `demo`, `ask`, `plan`, `code`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.terminal import (
    AsJson,
    Course,
    open_assistant,
    print_json,
    print_trace_link,
    read_argument,
    read_file,
    write_text,
)

if TYPE_CHECKING:
    from agent.answer import Answer

Thread = Annotated[str | None, typer.Option("--thread", help="Go on with this thread.")]
AssignmentId = Annotated[
    str | None, typer.Option("--assignment", help="The id of a planned assignment.")
]
Model = Annotated[str, typer.Option(help="provider:model, from the catalogue.")]


def demo() -> None:
    """Do the main job once, end to end: index, plan, answer, code, record."""
    from agent.demo import run_demo
    from agent.display import make_console

    with open_assistant() as assistant:
        run_demo(assistant, make_console())


def ask(
    message: Annotated[str, typer.Argument(help="What you want; - reads it from standard input.")],
    kind: Annotated[str, typer.Option("--type", help="auto, planning, chat or codegen.")] = "auto",
    thread: Thread = None,
    assignment: AssignmentId = None,
    course: Course = "",
    model: Model = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Ask anything; the kind of help is chosen for you."""
    with open_assistant() as assistant:
        answer = assistant.ask(
            read_argument(message),
            prompt_type=kind,
            thread_id=thread,
            assignment_id=assignment,
            course=course,
            model=model,
        )
    _show(answer, as_json=as_json)


def plan(
    file: Annotated[str, typer.Argument(help="The assignment: md, txt, ipynb; - for stdin.")],
    thread: Thread = None,
    course: Course = "",
    model: Model = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Plan an assignment; with --json the plan alone is printed."""
    brief = read_argument("-") if file == "-" else read_file(Path(file))
    with open_assistant() as assistant:
        answer = assistant.ask(
            brief, prompt_type="planning", thread_id=thread, course=course, model=model
        )
    if as_json:
        print_json(answer.plan.model_dump(mode="json") if answer.plan else None)
    else:
        _show(answer, as_json=False)


def code(
    request: Annotated[str, typer.Argument(help="What the code should do; - for stdin.")],
    thread: Thread = None,
    assignment: AssignmentId = None,
    course: Course = "",
    model: Model = "",
    write: Annotated[
        Path | None, typer.Option(help="Write the files below this folder; none is overwritten.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write code as complete files, each marked as AI-written."""
    with open_assistant() as assistant:
        answer = assistant.ask(
            read_argument(request),
            prompt_type="codegen",
            thread_id=thread,
            assignment_id=assignment,
            course=course,
            model=model,
        )
    _show(answer, as_json=as_json)
    if write is not None:
        _write_files(answer, write)


def _show(answer: "Answer", *, as_json: bool) -> None:
    from agent.display import make_console, render_answer

    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        make_console().print(render_answer(answer))
        print_trace_link(answer.run_id)


def _write_files(answer: "Answer", folder: Path) -> None:
    from agent.errors import InputError

    files = answer.code.files if answer.code else []
    for file in files:
        if (folder / file.path).exists():
            raise InputError(f"{folder / file.path} exists. Nothing was written; choose a folder.")
    for file in files:
        target = folder / file.path
        write_text(target, file.content)
        typer.echo(f"wrote {target}", err=True)
