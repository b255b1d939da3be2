"""Reading files as documents, and the sentence for every file that cannot be read."""

import json
import os
from pathlib import Path

import pytest

from retrieval import Document, DocumentError, document_id, read_documents


def read_one(path: Path, *, course: str = "") -> Document:
    """Read the only document of a file."""
    (document,) = read_documents(path, course=course)
    return document


def write(path: Path, content: str | bytes | object) -> Path:
    """Write text, bytes, or anything else as JSON."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def notebook(*cells: object, **more: object) -> dict[str, object]:
    """Return a notebook with some cells."""
    return {"nbformat": 4, "metadata": {}, "cells": list(cells), **more}


def test_markdown_header_fills_the_fields(past_assignment: Path) -> None:
    """The YAML header of a past assignment says what it is about."""
    document = read_one(past_assignment)
    about = (document.title, document.language, document.framework, document.topic)
    assert about == ("Library API", "python", "fastapi", "web API")
    assert (document.name, document.complexity) == ("library-api.md", "medium")
    assert document.is_past_assignment
    assert document.text.startswith("# Library API\n")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n\n## Sorting ##\n", "Sorting"),
        ("no heading", "lab"),
        ("---\ntitle: null\n---\n# Named\n", "Named"),
        ('{"not": "a header"}', "lab"),
        ("\ufeff# After a mark\r\n\r\ntext", "After a mark"),
    ],
)
def test_markdown_title_when_none_is_given(tmp_path: Path, text: str, title: str) -> None:
    """The first heading, else the file name, is the title."""
    document = read_one(write(tmp_path / "lab.md", text))
    assert document.title == title
    assert "\r" not in document.text


UNDERLINED = "Lab 3\n=====\n\nRules\n-----\n\nNo libraries.\n\nGrading\n-------\nTen points."


@pytest.mark.parametrize(
    "text",
    [
        UNDERLINED,
        "# Lab 3\n\n---\n\nHints\n\n---\n\nDue Friday.",
        "# Lab 3\n\n---\n\nDeadline: Friday\n\n---\n\nThe rest.",
        "# Lab 3\n\n---\n\nNote: hints: for part one.\n\n---\n\nDue Friday.",
        "---\n\nWrite a parser.\n\n---\n\nDue Friday.",
        "---\n# Lab 3\n---\nDue Friday.",
        "---\n- a list\n---\nDue Friday.",
        "---\nDue Friday.",
        "    indented\n\ntext",
    ],
)
def test_markdown_is_kept_whole_when_it_has_rules_and_no_header(tmp_path: Path, text: str) -> None:
    """Only what a text begins with, and what names fields, is its header."""
    document = read_one(write(tmp_path / "Lab 3.md", text))
    assert (document.text, document.title, document.kind) == (text, "Lab 3", "material")


@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n", "\ufeff\r\n"])
def test_markdown_header_is_read_when_only_blank_lines_precede_it(
    tmp_path: Path, before: str
) -> None:
    """Rules in the text below it are its own."""
    body = "Intro.\n\n---\n\nDeadline: Friday\n\n---\n\nThe rest."
    document = read_one(write(tmp_path / "a.md", f"{before}---\ntitle: Lab\n---\n{body}\n"))
    assert (document.title, document.text) == ("Lab", body)


def test_brief_heading_makes_a_past_assignment_without_a_header(tmp_path: Path) -> None:
    """A file in the format counts as a past assignment even without its header."""
    assert read_one(write(tmp_path / "a.md", "## Brief\n\nDo it.")).is_past_assignment
    assert not read_one(write(tmp_path / "b.md", "## Plan\n\nDo it.")).is_past_assignment


def test_text_file_is_named_after_its_file(tmp_path: Path) -> None:
    """A text file has no other title."""
    document = read_one(write(tmp_path / "Exam 2.txt", "\n\n  Write a loop.\n"))
    assert (document.title, document.text) == ("Exam 2", "  Write a loop.")


def test_notebook_keeps_markdown_and_code_in_order(tmp_path: Path) -> None:
    """Code stands in a fence that it cannot close; outputs and raw cells are left out."""
    cells = [
        {"cell_type": "markdown", "source": ["# Lab 3\n", "Plot it."]},
        {"cell_type": "code", "source": 'print("```")\n', "outputs": ["secret"]},
        {"cell_type": "code", "source": []},
        {"cell_type": "raw", "source": "raw"},
    ]
    content = notebook(*cells, metadata={"language_info": {"name": "python"}})
    document = read_one(write(tmp_path / "lab.ipynb", content))
    assert document.text == '# Lab 3\nPlot it.\n\n````python\nprint("```")\n````'
    assert (document.title, document.language) == ("Lab 3", "python")


def test_notebook_language_when_only_the_kernel_is_known(tmp_path: Path) -> None:
    """The kernel's language stands in for a missing language_info."""
    cell = {"cell_type": "code", "source": "1"}
    content = notebook(cell, metadata={"kernelspec": {"language": "R"}})
    assert read_one(write(tmp_path / "lab.ipynb", content)).language == "r"
    assert read_one(write(tmp_path / "other.ipynb", notebook(cell))).language == ""


def test_json_lines_become_documents(tmp_path: Path) -> None:
    """One object a line; blank lines are skipped, and a long first line is shortened."""
    lines = [
        {"id": 7, "title": "Stack", "text": "Build a stack.", "language": "C", "course": "cs1"},
        {"text": "word " * 30},
    ]
    path = write(tmp_path / "old.jsonl", "\n\n".join(map(json.dumps, lines)))
    first, second = read_documents(path, course="cs2")
    assert (first.title, first.name, first.language, first.course) == (
        "Stack",
        "old.jsonl, 7",
        "c",
        "cs1",
    )
    assert (second.name, second.course, len(second.title)) == ("old.jsonl, line 3", "cs2", 80)


def test_folder_is_read_sorted_and_skips_the_rest(tmp_path: Path) -> None:
    """READMEs, hidden files, links, archives and unknown suffixes are no past assignments."""
    for name in (
        *("b.txt", "a/z.md", "README.md", "pic.png", ".cache/x.md", "c.MD"),
        *("~$b.docx", "more.zip", "__MACOSX/b.txt"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, "text")
    (tmp_path / "link.md").symlink_to(tmp_path / "b.txt")
    names = [document.name for document in read_documents(tmp_path)]
    assert names == ["a/z.md", "b.txt", "c.MD"]


def test_document_id_depends_on_folder_name_and_course_only(tmp_path: Path) -> None:
    """The id survives an edit and a move of the folder; another folder or course is another."""
    for place in ("labs", "moved/labs", "exams"):
        (tmp_path / place).mkdir(parents=True)
        write(tmp_path / place / "a.md", place)
    first = read_one(tmp_path / "labs" / "a.md")
    (whole,) = read_documents(tmp_path / "labs")
    moved = read_one(tmp_path / "moved" / "labs" / "a.md")
    course = read_one(tmp_path / "labs" / "a.md", course="cs1")
    assert first.document_id == whole.document_id == moved.document_id == document_id("labs/a.md")
    assert course.document_id == document_id("labs/a.md", course="cs1") != first.document_id
    assert read_one(tmp_path / "exams" / "a.md").document_id != first.document_id


def test_document_id_is_the_same_for_every_spelling_of_an_accent(tmp_path: Path) -> None:
    """File systems spell accents in two ways."""
    for place in ("labs", "mac/labs"):
        (tmp_path / place).mkdir(parents=True)
    composed = read_one(write(tmp_path / "labs" / "\u00fcbung.md", "x"))
    decomposed = read_one(write(tmp_path / "mac" / "labs" / "u\u0308bung.md", "x"))
    assert composed.document_id == decomposed.document_id


def test_error_when_two_files_have_one_name_in_two_spellings(tmp_path: Path) -> None:
    """They would be one document, and one of the texts would be lost."""
    write(tmp_path / "\u00fcbung.md", "one")
    write(tmp_path / "u\u0308bung.md", "two")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system knows one spelling only")
    documents = read_documents(tmp_path)
    with pytest.raises(DocumentError, match=r"holds '\u00fcbung\.md' twice, .*Rename or remove"):
        next(documents)


def test_bytes_are_spelled_out_when_a_name_is_no_utf8(tmp_path: Path) -> None:
    """Names in an old encoding stay apart; a question mark would stand for any letter."""
    for name in (b"\xe4bung.md", b"\xfcbung.md"):
        try:
            Path(os.fsdecode(os.fsencode(tmp_path / "x")[:-1] + name)).write_text("x", "utf-8")
        except OSError:
            pytest.skip("this file system has no such names")
    documents = list(read_documents(tmp_path))
    assert [document.name for document in documents] == [r"\udce4bung.md", r"\udcfcbung.md"]
    assert len({document.document_id for document in documents}) == 2


LARGE = "word " * 200_001
FAULTS: list[tuple[str, str | bytes | object, str]] = [
    ("a.odt", "x", r"'.*a\.odt' is not supported\. Use one of: \.docx, .*, \.txt, \.zip\."),
    ("a.md", b"\xff\xfe\x00", r"is not UTF-8 text \(byte 0\)\. Save it as UTF-8"),
    ("a.txt", "nul \0 here", r"is not text \(it holds NUL or broken characters\)"),
    ("a.md", " \n\n", r"'.*a\.md' is empty\. Write some text"),
    ("a.md", "---\ntitle: T\n---\n", r"is empty"),
    ("a.txt", LARGE, r"'.*a\.txt' is larger than 1 MB\. Split it"),
    ("a.md", "---\na: [1\n---\nx", r"has a malformed YAML header \(while parsing"),
    ("a.md", "---\na: 2025-99-99\n---\nx", r"malformed YAML header \(month must be"),
    ("a.md", "---\nlanguage: [c, d]\n---\nx", r"'language' is a list\. Write one short text"),
    ("a.md", f"---\ntopic: {'x' * 201}\n---\nx", r"'topic' is not a short text"),
    ("a.ipynb", "{", r"is not valid JSON \(Expecting"),
    ("a.ipynb", "[" * 100_000, r"is not valid JSON"),
    ("a.ipynb", [], r"is a JSON list\. Write an object"),
    ("a.ipynb", {"nbformat": 3, "worksheets": []}, r"\(nbformat is 3\)\. Open it in Jupyter"),
    ("a.ipynb", notebook({"cell_type": "code"}), r"has a cell without"),
    ("a.ipynb", notebook({"cell_type": "code", "source": [1]}), r"has a cell without"),
    ("a.ipynb", notebook({"cell_type": "markdown", "source": LARGE}), r"more than 1 MB of text"),
    ("a.ipynb", notebook(), r"is empty"),
    ("a.jsonl", "\n", r"is empty\. Write one JSON object a line"),
    ("a.jsonl", '{"text": "ok"}\n{"text"', r"a\.jsonl line 2' is not valid JSON"),
    ("a.jsonl", '{"text": "ok"}\n[]', r"a\.jsonl line 2' is a JSON list"),
    ("a.jsonl", '{"title": "no text"}', r"line 1' has no string 'text', and no 'brief'"),
    ("a.jsonl", '{"text": "\\ud800"}', r"line 1' is not text"),
    ("a.jsonl", '{"text": "x", "id": {}}', r"line 1': 'id' is a dict"),
    ("a.jsonl", '{"text": "x", "id": 1}\n{"text": "y", "id": 1}', r"repeats the id '1' of line 1"),
    ("a.jsonl", {"text": LARGE}, r"line 1' is larger than 1 MB"),
]


def test_title_is_cut_when_the_file_name_is_longer(tmp_path: Path) -> None:
    """A long file name is no reason to refuse a file."""
    assert read_one(write(tmp_path / f"{'n' * 240}.txt", "x")).title == "n" * 200


@pytest.mark.parametrize(("name", "content", "message"), FAULTS)
def test_error_says_what_is_wrong_with_which_file(
    tmp_path: Path, name: str, content: str | bytes | object, message: str
) -> None:
    """Every fault has a sentence with the file in it."""
    path = write(tmp_path / name, content)
    with pytest.raises(DocumentError, match=message) as caught:
        list(read_documents(path))
    assert str(path) in str(caught.value)


def test_error_when_the_path_is_missing(tmp_path: Path) -> None:
    """The path is checked at the call, before anything is read."""
    with pytest.raises(DocumentError, match=r"nowhere' does not exist\. Check the path"):
        read_documents(tmp_path / "nowhere")


def test_error_when_a_folder_holds_no_document(tmp_path: Path) -> None:
    """An empty folder is a mistake, not an empty success."""
    with pytest.raises(DocumentError, match=r"holds no document\. Add files of: \.docx"):
        list(read_documents(tmp_path))


@pytest.mark.parametrize("name", ["b.md", "b.jsonl"])
def test_error_when_a_file_vanishes_while_a_folder_is_read(tmp_path: Path, name: str) -> None:
    """What the system says is passed on in one sentence."""
    write(tmp_path / "a.md", "x")
    gone = write(tmp_path / name, "x")
    documents = read_documents(tmp_path)
    next(documents)
    gone.unlink()
    with pytest.raises(DocumentError, match=r"cannot be read \(No such file"):
        next(documents)
