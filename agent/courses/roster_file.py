"""Read the people of a course out of a table that a campus system exports (CSV).

It takes the columns in any order and under their usual names, and takes a file whole or not at all.
It knows nothing of courses or of the database.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from io import StringIO

from agent.errors import InputError

_SPELLINGS: Mapping[str, str] = {
    "login": "login loginname loginid account accountname kennung benutzerkennung sisloginid",
    "username": "username user userid benutzername nutzername anmeldename",
    "first": "firstname first givenname forename vorname prénom prenom nombre",
    "last": "lastname last surname familyname name nachname familienname nom apellido apellidos",
    "email": "email emailaddress mail emailadresse mailadresse",
    "student_id": "studentid studentnumber studentno idnumber idnummer "
    "matriculationnumber matriculationno matriculation matrikelnummer matrikelnr matrikel matrnr "
    "sisuserid orgdefinedid",
}
"""The usual names of each column: small letters and digits, nothing between them."""
_COLUMN_OF = {name: column for column, names in _SPELLINGS.items() for name in names.split()}
_LOGINS = ("login", "username", "email")
"""Where the login is looked for: the first of these columns that the file has."""
_DELIMITERS = ",;\t"
_MOST_PROBLEMS = 20
_LONGEST = 200
_LOST = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Student:
    """One person of a course; what the file does not say is empty."""

    name: str
    """The login, by which the assistant knows the person."""
    first: str = ""
    last: str = ""
    email: str = ""
    student_id: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class RosterFile:
    """What a file says."""

    students: tuple[Student, ...]
    encoding: str
    """How its letters were read; a wrong guess shows in the umlauts."""
    ignored: tuple[str, ...]
    """The columns that mean nothing here."""


def parse_roster(data: bytes, place: str) -> RosterFile:
    """Read a roster.

    Args:
        data: the bytes of the file.
        place: how errors name it.

    Raises:
        InputError: it is no such table, or a row is wrong; each problem with its line.
    """
    text, encoding = _decode(data, place)
    rows = list(_rows(text, place))
    if not rows:
        raise InputError(f"{place} is empty. It needs a line with the names of its columns.")
    (_, header), *body = rows
    columns = _columns(header, place)
    students, problems = _students(body, columns, len(header))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        shown = [*problems[:_MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
        raise InputError(f"{place}: nothing was imported.\n" + "\n".join(shown))
    if not students:
        raise InputError(f"{place} names nobody. Nothing was imported.")
    ignored = [cell for cell in header if _plain(cell) not in _COLUMN_OF]
    return RosterFile(tuple(students), encoding, tuple(ignored))


def _decode(data: bytes, place: str) -> tuple[str, str]:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16"), "UTF-16"
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
    try:
        return data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        raise InputError(
            f"{place}:{line}: this is neither UTF-8 nor Windows-1252 (Latin-1). In the program "
            "it comes from, save it as 'CSV UTF-8'."
        ) from None


def _rows(text: str, place: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the line it begins on."""
    first = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=lambda sign: len(_known(first.split(sign))))
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            cells = [" ".join(unicodedata.normalize("NFC", cell).split()) for cell in row]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{place}:{line}: this is not CSV ({error}). Check the quotation marks. "
            "Nothing was imported."
        ) from None


def _plain(cell: str) -> str:
    """Reduce the name of a column to what counts."""
    folded = unicodedata.normalize("NFC", cell).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _known(header: Sequence[str]) -> list[str]:
    return [_COLUMN_OF[name] for cell in header if (name := _plain(cell)) in _COLUMN_OF]


def _columns(header: Sequence[str], place: str) -> dict[str, int]:
    """Say where each field stands."""
    columns: dict[str, int] = {}
    for number, cell in enumerate(header):
        column = _COLUMN_OF.get(_plain(cell))
        if column in columns:
            raise InputError(
                f"{place}: the columns {header[columns[column]]!r} and {cell!r} mean the same. "
                "Remove one of them."
            )
        if column:
            columns[column] = number
    login = next((column for column in _LOGINS if column in columns), None)
    missing = [
        wanted
        for wanted, is_there in (
            ("Username, Login or E-mail", login),
            ("First name", "first" in columns),
            ("Last name", "last" in columns),
        )
        if not is_there
    ]
    if login is None or missing:
        raise InputError(
            f"{place} has no column {', and none '.join(missing)}. Its columns: "
            f"{', '.join(header)}. Its first line has to name them."
        )
    return {"name": columns[login]} | {
        column: number for column, number in columns.items() if column != "login"
    }


def _students(
    rows: Sequence[tuple[int, list[str]]], columns: Mapping[str, int], width: int
) -> tuple[list[Student], list[str]]:
    students: list[Student] = []
    problems: list[str] = []
    lines: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != width:
            problems.append(f"line {line}: it has {len(cells)} cells, the first line {width}")
            continue
        student = Student(**{column: cells[number] for column, number in columns.items()})
        problems += [f"line {line}: {what}" for what in _faults(student)]
        before = lines.setdefault(student.name.casefold(), line)
        if student.name and before != line:
            problems.append(f"line {line}: the same login as on line {before}")
        students.append(student)
    return students, problems


def _faults(student: Student) -> Iterator[str]:
    """Say what is wrong with a row, without its values: they are personal."""
    if not student.name:
        yield "the login is missing"
    if not (student.first or student.last):
        yield "the name is missing"
    if student.email and not _EMAIL.fullmatch(student.email):
        yield "the e-mail address is none"
    for field in fields(student):
        value = getattr(student, field.name)
        if len(value) > _LONGEST:
            yield f"{field.name} has {len(value)} characters, at most {_LONGEST} fit"
        if _LOST.search(value):
            yield f"{field.name} holds a character that is no letter or was lost in an export"
