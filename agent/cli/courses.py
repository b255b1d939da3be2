"""Commands of `assist course`: what each course decides, and who is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.terminal import AsJson, open_stores, print_json

if TYPE_CHECKING:
    from agent.courses.roster import ImportReport

app = typer.Typer(help="The courses, and who is in them.", no_args_is_help=True)

OneCourse = Annotated[str, typer.Argument(metavar="ID", help="A course; none: every course.")]


@app.command("check")
def check(course_id: OneCourse = "", *, as_json: AsJson = False) -> None:
    """Check the files of the courses; say every problem with its file and line."""
    from agent.courses.book import CourseBook, problems_in

    folder = _folder()
    problems = problems_in(folder, course_id)
    if as_json:
        print_json({"folder": folder, "problems": problems})
    else:
        for problem in problems:
            typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    if not as_json:
        for known in [course_id] if course_id else CourseBook.open(folder).courses:
            typer.echo(f"ok   {known}")


@app.command("show")
def show(course_id: OneCourse = "", *, as_json: AsJson = False) -> None:
    """Show every course, or all that one course decides."""
    from agent.courses.book import CourseBook

    book = CourseBook.open(_folder())
    if course_id:
        course = book.get(course_id).model_dump(mode="json")
        _print_course(course, as_json=as_json)
        return
    if as_json:
        print_json([course.model_dump(mode="json") for course in book.courses.values()])
        return
    for known in book.courses.values():
        typer.echo(f"{known.id:<20} {known.guidance:<12} {known.time_zone:<20} {known.title}")


@app.command("import-roster")
def import_roster(
    course_id: Annotated[str, typer.Argument(metavar="ID", help="A course.")],
    file: Annotated[Path, typer.Argument(help="CSV; its first line names the columns.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the people of a course those of a file; who is not in it is taken out."""
    from dataclasses import asdict

    from agent.courses.book import CourseBook

    course = CourseBook.open(_folder()).get(course_id)
    with open_stores() as stores:
        report = stores.roster.import_roster(course.id, file, dry_run=dry_run)
    if as_json:
        print_json({**asdict(report), "dry_run": dry_run})
    else:
        _print_report(report, dry_run=dry_run)


def _folder() -> Path | None:
    from agent.courses.book import find_folder
    from agent.settings import load_settings

    settings = load_settings()
    return find_folder(settings.data_dir, settings.courses_dir)


def _print_course(course: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(course)
        return
    retention = course.pop("retention")
    for name, value in [*course.items(), *((f"retention.{k}", v) for k, v in retention.items())]:
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name:<20} {'-' if shown in (None, '') else shown}")


def _print_report(report: "ImportReport", *, dry_run: bool) -> None:
    for what, logins in (
        ("added", report.added),
        ("changed", report.changed),
        ("removed", report.removed),
    ):
        typer.echo(f"{what:<10} {len(logins):>5}  {', '.join(logins)}".rstrip())
    typer.echo(f"{'unchanged':<10} {report.unchanged:>5}")
    if report.left_out:
        typer.echo(f"left out, because they are being erased: {', '.join(report.left_out)}")
    if report.ignored:
        typer.echo(f"not read: {', '.join(report.ignored)}")
    if report.encoding != "UTF-8":
        typer.echo(f"The file was read as {report.encoding}; check the umlauts.")
    if dry_run:
        typer.echo("Nothing was written.")
