"""Enrolments, on both databases: replaced as a whole, and the same when done again."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from agent.courses.roster import Roster, _replace
from agent.courses.roster_file import Student
from agent.database import Database
from agent.errors import InputError

HEAD = "Login,First name,Last name,E-mail,Student ID,Username\n"
ANNA = "anna,Anna,Müller,anna@uni.example,20-1,am\n"
BEN = "ben,Ben,Okafor,,,\n"


@pytest.fixture
def roster(records_url: str) -> Iterator[Roster]:
    """The roster of one database."""
    database = Database.open(records_url)
    yield Roster(database)
    database.close()


@pytest.fixture
def course() -> str:
    """A course that nobody is in yet, also in a database that is kept."""
    return f"c-{uuid.uuid4()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A roster of two."""
    path = tmp_path / "people.csv"
    path.write_text(HEAD + ANNA + BEN, "utf-8")
    return path


def test_nothing_changes_when_the_same_is_imported_again(
    roster: Roster, course: str, file: Path
) -> None:
    """The first import adds, the second finds everybody there."""
    first = roster.import_roster(course, file)
    assert (first.added, first.changed, first.removed) == (("anna", "ben"), (), ())
    again = roster.import_roster(course, file)
    assert (again.added, again.changed, again.removed) == ((), (), ())
    assert (first.unchanged, again.unchanged, again.encoding) == (0, 2, "UTF-8")
    assert [student.name for student in roster.people_of(course)] == ["anna", "ben"]


def test_people_are_those_of_the_file_when_replaced(
    roster: Roster, course: str, file: Path
) -> None:
    """Who left is out, who was renamed is renamed, who came is in; other courses stay."""
    other = f"{course}-other"
    for one in (course, other):
        roster.import_roster(one, file)
    file.write_text(HEAD + ANNA.replace("Müller", "Meier") + "cleo,Cleo,Li,,,\n", "utf-8")
    report = roster.import_roster(course, file)
    assert (report.added, report.changed, report.removed) == (("cleo",), ("anna",), ("ben",))
    assert (roster.of_person(course, "ben"), roster.courses_of("nobody")) == (None, [])
    anna = roster.of_person(course, "anna")
    assert anna == Student("anna", "Anna", "Meier", "anna@uni.example", "20-1", "am")
    assert set(roster.courses_of("anna")) >= {course, other}
    assert course not in roster.courses_of("ben")
    assert other in roster.courses_of("ben")


def test_nothing_is_written_when_only_tried(roster: Roster, course: str, file: Path) -> None:
    """The report is that of the import."""
    tried = roster.import_roster(course, file, dry_run=True)
    assert roster.people_of(course) == []
    assert roster.import_roster(course, file) == tried


@pytest.mark.parametrize("rows", ["", ANNA + "ben,Ben\n", ANNA + ANNA])
def test_nothing_is_written_when_the_file_is_wrong(
    roster: Roster, course: str, file: Path, rows: str
) -> None:
    """One wrong row, or nobody at all, leaves the course as it was."""
    roster.import_roster(course, file)
    file.write_text(HEAD + rows, "utf-8")
    with pytest.raises(InputError, match=r"othing was imported"):
        roster.import_roster(course, file)
    assert len(roster.people_of(course)) == 2


def test_file_is_named_when_it_cannot_be_read(roster: Roster, course: str, tmp_path: Path) -> None:
    """No such file, or a folder."""
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read"):
            roster.import_roster(course, path)


def test_people_stay_when_writing_breaks_off(roster: Roster, course: str, file: Path) -> None:
    """Taking out and putting in are one transaction."""
    roster.import_roster(course, file)
    people = {"dora": Student("dora"), "ben": Student("ben", first=None)}  # type: ignore[arg-type]  # what a fault would hand over
    with pytest.raises(IntegrityError), roster._database.begin() as session:
        _replace(session, course, people)
    assert [student.name for student in roster.people_of(course)] == ["anna", "ben"]


def test_one_roster_is_left_when_two_are_imported_at_once(
    roster: Roster, course: str, tmp_path: Path
) -> None:
    """Whoever is last wins; neither fails."""
    paths = [tmp_path / f"{number}.csv" for number in range(4)]
    for path in paths:
        path.write_text(f"{HEAD}{ANNA}{path.stem},P,Q,,,\n", "utf-8")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: roster.import_roster(course, path), paths))
    names = [student.name for student in roster.people_of(course)]
    assert names[1:] == ["anna"]
    assert len(names) == 2


def test_name_is_divided_where_the_file_divides_it_when_redaction_asks(
    roster: Roster, course: str, file: Path
) -> None:
    """By its only comma, once for two people of one name; one part alone stands as it is."""
    rows = 'c,Ana María,de la Cruz,,,\nd,"John","King, Jr.",,,\ne,,Sukarno,,,\nf,Anna,Müller,,,\n'
    file.write_text(HEAD + ANNA + rows, "utf-8")
    roster.import_roster(course, file)
    assert roster.names_of(course) == [
        "Müller, Anna",
        "de la Cruz, Ana María",
        "King Jr., John",
        "Sukarno",
    ]
    assert roster.names_of("no-course") == []
