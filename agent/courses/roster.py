"""Who is in which course: the enrolments, replaced as a whole by each import.

It knows people by their login; what a course decides stands in its file.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.courses.roster_file import Student, parse_roster
from agent.database import Database, Table
from agent.errors import InputError


class EnrolmentRow(Table):
    """One person in one course."""

    __tablename__ = "enrolments"

    course: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """The login."""
    first: Mapped[str]
    last: Mapped[str]
    email: Mapped[str]
    student_id: Mapped[str]
    username: Mapped[str]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import changed, by login; or what it would, where nothing was to be written."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    encoding: str
    ignored: tuple[str, ...]
    """The columns of the file that were not read."""
    left_out: tuple[str, ...] = ()
    """Who is in the file and not in the course, because they are being erased."""


UnderErasure = Callable[[Session, Iterable[str]], set[str]]
"""Says in a transaction which people, of some, are being erased."""


class Roster:
    """The people of every course."""

    def __init__(self, database: Database, under_erasure: UnderErasure = lambda *_: set()) -> None:
        self._database = database
        self._under_erasure = under_erasure

    def import_roster(self, course: str, file: Path, *, dry_run: bool = False) -> ImportReport:
        """Make a course's people those of a file, and say what changed.

        Who is being erased is left out, so that their name does not come back meanwhile.

        Args:
            course: the id of a course that exists.
            file: CSV with a line of column names; see `agent.courses.roster_file`.
            dry_run: write nothing.

        Raises:
            InputError: the file cannot be read, or a row is wrong; nothing was changed.
            StorageError: the database refuses.
        """
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}).") from None
        found = parse_roster(data, str(file))
        after = {student.name: student for student in found.students}
        with self._database.read() if dry_run else self._database.begin() as session:
            left_out = self._under_erasure(session, after)
            after = {name: student for name, student in after.items() if name not in left_out}
            before = _people(session, course) if dry_run else _replace(session, course, after)
        return ImportReport(
            added=tuple(sorted(after.keys() - before.keys())),
            changed=tuple(sorted(n for n in after.keys() & before if after[n] != before[n])),
            removed=tuple(sorted(before.keys() - after.keys())),
            unchanged=sum(before.get(name) == student for name, student in after.items()),
            encoding=found.encoding,
            ignored=found.ignored,
            left_out=tuple(sorted(left_out)),
        )

    def courses_of(self, name: str) -> list[str]:
        """Return the ids of the courses that a person is in."""
        query = select(EnrolmentRow.course).where(EnrolmentRow.name == name)
        with self._database.read() as session:
            return sorted(session.scalars(query))

    def of_person(self, course: str, name: str) -> Student | None:
        """Return what a course's roster says of a person."""
        with self._database.read() as session:
            row = session.get(EnrolmentRow, (course, name))
            return None if row is None else _student(row)

    def people_of(self, course: str) -> list[Student]:
        """Return everybody who is in a course, by login."""
        with self._database.read() as session:
            people = _people(session, course)
        return [people[name] for name in sorted(people)]

    def names_of(self, course: str) -> list[str]:
        """Return the names of a course's people, once each, for redaction: `Last, First`.

        The comma says where a name of several words is divided; it stands nowhere else.
        """
        return list(dict.fromkeys(_full_name(student) for student in self.people_of(course)))


def _replace(session: Session, course: str, people: dict[str, Student]) -> dict[str, Student]:
    """Put a course's people in the place of those it had, and return these."""
    rows = [{"course": course, **asdict(student)} for student in people.values()]
    if session.get_bind().dialect.name == "postgresql":
        # Two imports at once would mix; readers do not wait. SQLite has one writer anyway.
        session.execute(text("LOCK TABLE enrolments IN SHARE ROW EXCLUSIVE MODE"))
    before = _people(session, course)
    if before != people:
        session.execute(delete(EnrolmentRow).where(EnrolmentRow.course == course))
        if rows:
            session.execute(insert(EnrolmentRow), rows)
    return before


def _people(session: Session, course: str) -> dict[str, Student]:
    rows = session.scalars(select(EnrolmentRow).where(EnrolmentRow.course == course))
    return {row.name: _student(row) for row in rows}


def _student(row: EnrolmentRow) -> Student:
    return Student(**{field.name: getattr(row, field.name) for field in fields(Student)})


def _full_name(student: Student) -> str:
    parts = (" ".join(part.replace(",", " ").split()) for part in (student.last, student.first))
    return ", ".join(filter(None, parts))
