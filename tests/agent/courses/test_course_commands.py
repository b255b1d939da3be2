"""`assist course`: facts as JSON, every problem, exit codes that mean something."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli.courses import app
from agent.errors import InputError, NotFoundError, SettingsError

EXAMPLES = Path(__file__).parents[3] / "examples" / "courses"
ROSTER = "Username;First name;Last name;Groups\nam;Anna;Müller;A\nbo;Ben;Okafor;B\n"

Course = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of courses in the data directory, with the example."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "data" / "courses"))


@pytest.fixture
def course() -> Course:
    """Run a command."""

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def told(result: Result) -> Any:
    """Return the JSON that a command printed."""
    return json.loads(result.stdout)


def test_course_is_fine_when_checked(course: Course, folder: Path) -> None:
    """Each by its name, or one; without any set-up the default one."""
    assert course("check").stdout == "ok   default\nok   prog1\n"
    assert course("check", "prog1").stdout == "ok   prog1\n"
    assert told(course("check", "--json")) == {"folder": str(folder), "problems": []}
    shutil.rmtree(folder)
    assert course("check").stdout == "ok   default\n"
    assert isinstance(course("check", "prog1").exception, NotFoundError)


def test_every_problem_is_printed_when_checked(course: Course, folder: Path) -> None:
    """Exit code 1; the course that is right can still be checked."""
    (folder / "prog2.toml").write_text('budgt = 1\nguidance = "hint"', "utf-8")
    result = course("check")
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == [
        f"{folder / 'prog2.toml'}:1",
        f"{folder / 'prog2.toml'}:2",
    ]
    as_json = course("check", "prog2", "--json")
    assert (as_json.exit_code, len(told(as_json)["problems"])) == (1, 2)
    assert course("check", "prog1").stdout == "ok   prog1\n"
    assert isinstance(course("show").exception, SettingsError)


@pytest.mark.usefixtures("folder")
def test_course_is_shown_when_asked(course: Course) -> None:
    """All in a line each, or one with everything that holds."""
    assert [line.split()[0] for line in course("show").stdout.splitlines()] == ["default", "prog1"]
    shown = dict(line.split(maxsplit=1) for line in course("show", "prog1").stdout.splitlines())
    assert (shown["guidance"], shown["teachers"]) == ("hints", "meier, lee")
    assert (shown["retention.audit"], shown["budget"]) == ("2190", "2.50")
    assert [one["id"] for one in told(course("show", "--json"))] == ["default", "prog1"]
    assert told(course("show", "default", "--json"))["retention"]["content"] == 90
    assert "budget               -" in course("show", "default").stdout
    assert isinstance(course("show", "prog2").exception, NotFoundError)


@pytest.mark.usefixtures("folder")
def test_roster_is_imported_when_the_course_exists(course: Course, tmp_path: Path) -> None:
    """First tried, then done; counts, logins, and the columns that were not read."""
    (tmp_path / "people.csv").write_text(ROSTER, "latin-1")
    tried = course("import-roster", "prog1", tmp_path / "people.csv", "--dry-run")
    assert "added          2  am, bo\n" in tried.stdout
    assert "not read: Groups\nThe file was read as Windows-1252" in tried.stdout
    assert tried.stdout.endswith("Nothing was written.\n")
    done = told(course("import-roster", "prog1", tmp_path / "people.csv", "--json"))
    assert (done["added"], done["dry_run"]) == (["am", "bo"], False)
    (tmp_path / "people.csv").write_text("Username,First name,Last name\nam,Anna,Müller\n", "utf-8")
    again = course("import-roster", "prog1", tmp_path / "people.csv")
    assert again.stdout.splitlines() == [
        "added          0",
        "changed        0",
        "removed        1  bo",
        "unchanged      1",
    ]


@pytest.mark.usefixtures("folder")
def test_roster_is_refused_when_call_or_file_is_wrong(course: Course, tmp_path: Path) -> None:
    """An unknown course, no file, a wrong row."""
    (tmp_path / "people.csv").write_text(ROSTER + "x;;;\n", "utf-8")
    unknown = course("import-roster", "prog2", tmp_path / "people.csv").exception
    assert "Known: default, prog1." in str(unknown)
    for name, said in (("people.csv", "line 4: the name is missing"), ("no.csv", "cannot be read")):
        refused = course("import-roster", "prog1", tmp_path / name).exception
        assert isinstance(refused, InputError)
        assert said in str(refused)
