"""A roster's file: columns in any order and spelling, whole or not at all."""

import csv
import unicodedata
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.courses.roster_file import RosterFile, Student, parse_roster
from agent.errors import InputError

ANNA = Student("am", "Anna", "Müller", "anna@uni.example", "20-1", "am")
TABLE = "Vorname;Name;Benutzername;E-Mail-Adresse;Matr.-Nr.\nAnna;Müller;am;anna@uni.example;20-1\n"
HEADS = {
    "login": ["Login", "Kennung"],
    "first": ["First name", "VORNAME", "Given_Name", "Prénom"],
    "last": ["Last name", "Nachname", "Surname"],
    "email": ["E-mail", "Email address", "E-Mail-Adresse"],
    "student_id": ["Student ID", "Matriculation number", "Matrikel-Nr.", "ID number"],
    "username": ["Username", "Benutzername"],
}
WORDS = st.text("aäßéłZ李-'\",; 7", min_size=1, max_size=8).filter(
    lambda word: word.strip() and not word.startswith("7")
)
STUDENTS = st.lists(
    st.builds(
        Student,
        name=WORDS,
        first=WORDS,
        last=WORDS,
        email=st.sampled_from(["", "a.b@uni.example"]),
        student_id=WORDS | st.just(""),
        username=WORDS | st.just(""),
    ),
    min_size=1,
    unique_by=lambda student: " ".join(student.name.split()).casefold(),
)


def parse(text: str, encoding: str = "utf-8") -> RosterFile:
    """Read a roster from a text."""
    return parse_roster(text.encode(encoding), "people.csv")


def refusal(text: str | bytes) -> str:
    """Return why a roster is refused."""
    with pytest.raises(InputError) as refused:
        parse_roster(text if isinstance(text, bytes) else text.encode(), "people.csv")
    return str(refused.value)


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("latin-1", "Windows-1252"),
        ("cp1252", "Windows-1252"),
    ],
)
@pytest.mark.parametrize("sign", [";", ",", "\t"])
def test_people_are_read_when_encoded_in_any_usual_way(
    encoding: str, named: str, sign: str
) -> None:
    """What Excel, Moodle and a script write; the encoding is reported."""
    for end in ("\n", "\r\n"):
        found = parse(TABLE.replace(";", sign).replace("\n", end), encoding)
        assert (found.students, found.encoding, found.ignored) == ((ANNA,), named, ())


@given(STUDENTS, st.permutations(sorted(HEADS)), st.data())
def test_people_are_the_same_when_written_in_any_layout(
    students: list[Student], columns: list[str], data: st.DataObject
) -> None:
    """Any order, spelling, separator and encoding; columns without a meaning are named."""
    heads = [data.draw(st.sampled_from(HEADS[column])) for column in columns]
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=data.draw(st.sampled_from(",;\t")))
    writer.writerow([*heads, "Groups"])
    for student in students:
        names = ["name" if column == "login" else column for column in columns]
        writer.writerow([*(getattr(student, name) for name in names), "x"])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    found = parse(text.getvalue(), encoding)
    assert found.ignored == ("Groups",)
    assert found.students == tuple(
        Student(*(" ".join(getattr(student, name).split()) for name in Student.__slots__))
        for student in students
    )


def test_login_is_the_first_there_is_when_columns_differ() -> None:
    """Login before username before e-mail."""
    row = "First name,Last name,E-mail{}\nA,B,a@b{}\n"
    assert parse(row.format("", "")).students[0].name == "a@b"
    assert parse(row.format(",Username", ",u")).students[0].name == "u"
    (student,) = parse(row.format(",Username,Login", ",u,l")).students
    assert (student.name, student.username) == ("l", "u")


def test_accents_are_one_letter_when_a_mac_wrote_them_as_two() -> None:
    """Redaction and the database compare letters."""
    split = unicodedata.normalize("NFD", TABLE)
    assert split != TABLE
    assert parse(split).students == (ANNA,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "people.csv is empty"),
        (" \n\n", "people.csv is empty"),
        (TABLE.splitlines()[0], "names nobody. Nothing was imported"),
        ("Name,Username\nA B,u\n", "has no column First name. Its columns: Name, Username"),
        ("Anna,M,am\n", "no column Username, Login or E-mail, and none First name, and none Last"),
        ("Vorname,Name,Email,E-Mail\n", "the columns 'Email' and 'E-Mail' mean the same"),
        (TABLE.encode() + b"\xfc\x81;;;;\n", "people.csv:3: this is neither UTF-8 nor Windows-12"),
        (TABLE + 'A;"B;c;d@e;1\n', "people.csv:3: this is not CSV"),
        (TABLE + 'A;"B"x;c;d@e;1\n', "people.csv:3: this is not CSV"),
    ],
)
def test_file_is_refused_when_it_is_no_roster(text: str | bytes, said: str) -> None:
    """What is wrong, and where; an empty export does not empty the course."""
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Ben;B;;b@uni.example;1", "the login is missing"),
        (";;bb;b@uni.example;1", "the name is missing"),
        ("Ben;B;bb;nowhere;1", "the e-mail address is none"),
        ("Ben;B;bb", "it has 3 cells, the first line 5"),
        ("Ben;B;bb;b@uni.example;1;;", "it has 7 cells, the first line 5"),
        ("Ben;B;AM;b@uni.example;1", "the same login as on line 2"),
        (f"Ben;{'B' * 201};bb;;", "last has 201 characters, at most 200 fit"),
        ("Ben;B\0;bb;;", "last holds a character that is no letter"),
        ("Ben;M�ller;bb;;", "last holds a character that is no letter"),
    ],
)
def test_row_is_named_when_it_is_wrong(row: str, said: str) -> None:
    """By its line, where a cell over two lines counts as two; its values are not repeated."""
    text = f'{TABLE}"Eva\nMaria";E;ee;;\n\n{row}\n'
    found = refusal(text)
    assert f"line 6: {said}" in found
    assert "uni.example" not in found


def test_list_of_rows_ends_when_every_row_is_wrong() -> None:
    """A wrong export of a thousand people fits the screen."""
    lines = refusal(TABLE + "Ben;B;;;\n" * 50).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "and 30 more"
