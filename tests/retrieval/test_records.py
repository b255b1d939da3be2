"""What a header says of a past assignment: its kind, term, time, and who allowed what."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import Document, DocumentError, read_documents
from retrieval.reading.chunks import split_document
from retrieval.reading.records import sharing_of

NAME = "Ada Lovelace"


def read_markdown(folder: Path, *fields: str, body: str = "text", course: str = "") -> Document:
    """Read a Markdown file with these header fields."""
    path = folder / "a.md"
    header = "".join(f"{field}\n" for field in fields)
    path.write_text(f"---\n{header}---\n{body}" if fields else body, "utf-8")
    (document,) = read_documents(path, course=course)
    return document


def read_row(folder: Path, row: object, *, course: str = "") -> Document:
    """Read a JSON Lines file with one row."""
    path = folder / "old.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    (document,) = read_documents(path, course=course)
    return document


def test_fields_are_kept_when_a_header_names_them(tmp_path: Path) -> None:
    """Names of fields are found in any case."""
    fields = ("Term: spring 2025", f"Author: {NAME}", "consent: Public", "actual_minutes: 340")
    document = read_markdown(tmp_path, *fields)
    assert (document.kind, document.term) == ("assignment", "spring 2025")
    assert (document.consent, document.actual_minutes) == ("public", 340)


def test_fields_are_empty_when_nothing_names_them(tmp_path: Path) -> None:
    """A file of the staff has no author, and nobody's time."""
    document = read_markdown(tmp_path)
    about = (document.term, document.author, document.consent, document.actual_minutes)
    assert about == ("", "", "", None)


@pytest.mark.parametrize(
    ("fields", "body", "kind", "is_past"),
    [
        ((), "text", "material", False),
        ((), "## Brief\n\nDo it.", "assignment", True),
        (("term: null",), "text", "assignment", True),
        (("kind: material",), "## Brief\n\nDo it.", "material", False),
        (("kind: Exam",), "## Brief\n\nDo it.", "exam", True),
        (("kind: lecture-notes",), "text", "lecture-notes", True),
    ],
)
def test_kind_says_what_a_document_is_when_named_or_not(
    tmp_path: Path, fields: tuple[str, ...], body: str, kind: str, *, is_past: bool
) -> None:
    """A named kind wins; material has no sections."""
    document = read_markdown(tmp_path, *fields, body=body)
    assert (document.kind, document.is_past_assignment) == (kind, is_past)


def test_author_is_a_pseudonym_when_read(tmp_path: Path) -> None:
    """The name stands nowhere; the same person is the same pseudonym, however it is spelled."""
    first = read_markdown(tmp_path, f"author: {NAME}", "consent: public")
    again = read_row(tmp_path, {"text": "x", "author": "  ada   LOVELACE", "consent": "public"})
    other = read_row(tmp_path, {"text": "x", "authors": "Alan Turing", "consent": "public"})
    assert first.author == again.author != other.author
    assert len(bytes.fromhex(first.author)) == len(bytes.fromhex(other.author)) == 8
    assert NAME not in repr(first)


@pytest.mark.parametrize(
    ("fields", "course", "message"),
    [
        (f"author: {NAME}", "", "names an author, but not what the author allowed in writing"),
        (f"Authors: {NAME}", "", "names an author, but not what the author allowed in writing"),
        (f"author: {NAME}", "cs1", r"Write consent: course or consent: public;"),
        (f"author: {NAME}\nconsent: yes, gladly", "", r"'consent' is 'yes, gladly'\. Write course"),
        (f"author: {NAME}\nconsent: true", "cs1", r"'consent' is 'true'\. Write course"),
        (f"author: {NAME}\nconsent: course", "", r"shown to its course only .*Name its course"),
        ("consent: course", "", r"shown to its course only"),
        (f"author: [{NAME}]\nconsent: public", "", r"'author' is a list\. Write one short text"),
        (f"author: {NAME}\nconsent: public\nkind: 7 8", "", r"'kind' is '7 8'\. Write one word"),
    ],
)
def test_error_when_the_author_did_not_allow_it(
    tmp_path: Path, fields: str, course: str, message: str
) -> None:
    """What may not be shown is not read, and the error names no one."""
    with pytest.raises(DocumentError, match=message) as caught:
        read_markdown(tmp_path, *fields.split("\n"), course=course)
    assert NAME not in str(caught.value)
    assert str(tmp_path / "a.md") in str(caught.value)


def test_course_consent_is_enough_when_a_course_is_named(tmp_path: Path) -> None:
    """The course comes from the header or from whoever adds the file."""
    fields = (f"author: {NAME}", "consent: course")
    assert read_markdown(tmp_path, *fields, course="cs1").consent == "course"
    assert read_markdown(tmp_path, *fields, "course: cs2").course == "cs2"


@given(name=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200))
@settings(max_examples=200, deadline=None)
def test_author_has_one_form_when_the_name_is_odd(name: str) -> None:
    """Any name becomes a pseudonym, and blanks are no name."""
    author = sharing_of({"author": name, "consent": "public"}, "", "a.md").author
    assert len(bytes.fromhex(author)) == (8 if name.strip() else 0)


@pytest.mark.parametrize(
    ("value", "minutes"), [(90, 90), ("90", 90), (90.0, 90), (None, None), ("", None)]
)
def test_minutes_are_read_when_they_are_whole(
    tmp_path: Path, value: object, minutes: int | None
) -> None:
    """A table writes 90 as text or as 90.0."""
    row = {"text": "x", "actual_minutes": value}
    assert read_row(tmp_path, row).actual_minutes == minutes


@pytest.mark.parametrize(
    "value", [0, -5, 1.5, True, "an hour", "٩", [90], float("nan"), float("inf"), 10**9, 1e300]
)
def test_error_when_the_minutes_are_none(tmp_path: Path, value: object) -> None:
    """What is no time in minutes is not stored as one."""
    with pytest.raises(DocumentError, match=r"'actual_minutes' is .*\. Write the whole number of"):
        read_row(tmp_path, {"text": "x", "actual_minutes": value})


def test_row_of_parts_becomes_a_past_assignment(tmp_path: Path) -> None:
    """A record as a database exports it is split by its sections like a file."""
    row = {
        "id": 7,
        "brief": "# Stack\r\n\r\nBuild a stack.\n\n## Rules\n\nNo lists.",
        "plan": "| t1 | code |",
        "risks": None,
        "success_criteria": "  ",
        "solution": "```python\n## a comment\npush = list.append",
        "tests": "assert pop() == 1",
        "actual_minutes": 75,
        "language": "python",
    }
    document = read_row(tmp_path, row)
    assert (document.title, document.kind, document.actual_minutes) == ("Stack", "assignment", 75)
    assert document.is_past_assignment
    assert [(c.section, c.place, c.text.strip()) for c in split_document(document)] == [
        ("brief", "old.jsonl, 7, Brief", "# Stack\n\nBuild a stack.\n\n### Rules\n\nNo lists."),
        ("plan", "old.jsonl, 7, Plan", "| t1 | code |"),
        ("solution", "old.jsonl, 7, Solution", f"{row['solution']}\n```"),
        ("tests", "old.jsonl, 7, Tests", "assert pop() == 1"),
    ]


def test_title_of_a_record_is_the_first_line_when_it_has_no_heading(tmp_path: Path) -> None:
    """The headings of the sections name nothing."""
    row = {"brief": "Build a stack.\nSoon.", "solution": "### Approach\n\nUse a list."}
    assert read_row(tmp_path, row).title == "Build a stack."


def test_text_wins_when_a_row_has_parts_too(tmp_path: Path) -> None:
    """A corpus with text and other columns is read as the texts it holds."""
    document = read_row(tmp_path, {"text": "Build a stack.", "solution": "list", "tests": ["t"]})
    assert (document.text, document.kind) == ("Build a stack.", "material")


@pytest.mark.parametrize("text", ["", " \n", None])
def test_parts_are_read_when_the_text_beside_them_is_empty(
    tmp_path: Path, text: str | None
) -> None:
    """A table of both kinds has a column of texts, empty in the rows of parts."""
    document = read_row(tmp_path, {"text": text, "brief": "Build it.", "solution": "list"})
    assert document.text == "## Brief\n\nBuild it.\n\n## Solution\n\nlist"
    assert (document.title, document.kind) == ("Build it.", "assignment")


def test_row_is_a_past_assignment_when_it_says_so(tmp_path: Path) -> None:
    """A table of texts may hold both kinds."""
    document = read_row(tmp_path, {"text": "Build a stack.", "kind": "Assignment"})
    assert (document.kind, document.is_past_assignment) == ("assignment", True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"brief": ["Build it."]}, r"'brief' is a list\. Write one text"),
        ({"brief": " ", "solution": ""}, r"has no string 'text', and no 'brief' or 'solution'"),
        ({"text": " ", "brief": ""}, r"line 1' is empty\. Write some text"),
        ({"text": 7, "brief": "Build it."}, r"has no string 'text'"),
        ({"brief": "half \ud800"}, r"is not text"),
    ],
)
def test_error_when_a_record_has_no_text(tmp_path: Path, row: object, message: str) -> None:
    """Each row needs a text or a part."""
    with pytest.raises(DocumentError, match=message):
        read_row(tmp_path, row)


PART = st.text(alphabet="#`~ -\nab", min_size=1, max_size=120).filter(lambda text: text.strip())


@given(brief=PART, solution=PART, tests=PART)
@settings(max_examples=200, deadline=None)
def test_parts_stay_apart_when_they_hold_any_markdown(
    tmp_path_factory: pytest.TempPathFactory, brief: str, solution: str, tests: str
) -> None:
    """No heading and no open fence in one part reaches into the next."""
    row = {"brief": brief, "solution": solution, "tests": tests}
    chunks = split_document(read_row(tmp_path_factory.getbasetemp(), row))
    assert [chunk.section for chunk in chunks] == ["brief", "solution", "tests"]
    for chunk, part in zip(chunks, row.values(), strict=True):
        assert chunk.text.replace("#", "").strip().startswith(part.replace("#", "").strip())
