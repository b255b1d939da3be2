"""Splitting documents into passages."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import Document, read_documents
from retrieval.reading.chunks import LONGEST, PASSAGE_LIMIT, split_document

Make = Callable[..., Document]


def test_past_assignment_is_split_by_its_sections(past_assignment: Path) -> None:
    """Each `##` heading is a section; the title line is none."""
    (document,) = read_documents(past_assignment)
    chunks = split_document(document)
    assert [chunk.section for chunk in chunks] == ["brief", "plan", "risks", "criteria", "solution"]
    assert [chunk.place for chunk in chunks][::3] == [
        "library-api.md, Brief",
        "library-api.md, Success criteria",
    ]
    assert [chunk.position for chunk in chunks] == [0, 1, 2, 3, 4]


def test_unknown_headings_of_a_past_assignment_are_text(make_document: Make) -> None:
    """What stands before or between the known sections is not lost."""
    headings = "# Other\n\nintro\n\n## brief\n\nB\n\n## Hints\n\nH\n\n### More\n\nM\n\n"
    text = f"{headings}## Plan\n\n## Risks\n\nR"
    chunks = split_document(make_document(text, past=True))
    found = [(chunk.section, chunk.place, chunk.text.split()[-1]) for chunk in chunks]
    assert found == [
        ("text", "notes.md, Other", "intro"),
        ("brief", "notes.md, brief", "B"),
        ("text", "notes.md, Hints", "M"),
        ("risks", "notes.md, Risks", "R"),
    ]


def test_tests_are_a_section_when_a_past_assignment_has_them(make_document: Make) -> None:
    """They are kept whole, as the solution is."""
    text = "## Solution\n\nS\n\n## tests\n\n" + "assert f(1) == 2\n\n" * 100
    solution, tests = split_document(make_document(text, past=True))
    assert (solution.section, tests.section, tests.place) == (
        "solution",
        "tests",
        "notes.md, tests",
    )
    assert tests.text.count("assert") == 100


def test_past_assignment_without_any_content_is_kept_as_text(make_document: Make) -> None:
    """A document never disappears."""
    (chunk,) = split_document(make_document("## Brief\n", past=True))
    assert (chunk.section, chunk.text) == ("text", "## Brief\n")


def test_code_fence_hides_headings_and_is_kept_whole(make_document: Make) -> None:
    """A comment in code is no heading, and code longer than a passage is not cut."""
    code = "```python\n" + "# not a heading\nx = 1\n\n" * 90 + "~~~\n```\n"
    chunks = split_document(make_document(f"# Title\n\nSome words.\n\n{code}\nAfter.\n"))
    assert [chunk.text for chunk in chunks] == [
        "# Title\n\nSome words.\n\n",
        f"{code}\n",
        "After.\n",
    ]
    assert {chunk.place for chunk in chunks} == {"notes.md, Title"}


def test_long_code_fence_is_cut_at_line_ends(make_document: Make) -> None:
    """Code too long to keep whole is cut between lines."""
    text = "```\n" + "value = compute(1)\n" * 400 + "```"
    chunks = split_document(make_document(text))
    assert len(chunks) > 1
    assert all(chunk.text.endswith(("\n", "```")) for chunk in chunks)


def test_one_line_of_inline_code_opens_no_fence(make_document: Make) -> None:
    """Three backticks that close on their own line are not a fence."""
    text = f"```x``` is code\n\n{'word ' * 80}\n\n# Heading\n\nmore"
    assert split_document(make_document(text))[-1].place == "notes.md, Heading"


@pytest.mark.parametrize(
    "text",
    [
        "word " * 2_000,
        "a paragraph of a few words\n\n" * 200,
        "# Heading\n\nshort\n\n" * 300,
        "line of text\n" * 900,
    ],
)
def test_passages_are_short_and_cut_no_word(make_document: Make, text: str) -> None:
    """Passages end at a space or a line end, and joined they are the text."""
    chunks = split_document(make_document(text))
    assert "".join(chunk.text for chunk in chunks) == text
    assert all(len(chunk.text) <= PASSAGE_LIMIT for chunk in chunks)
    assert all(chunk.text[-1].isspace() for chunk in chunks)
    assert len(chunks) < len(text) / 300 + 1


def test_word_without_end_is_cut_anywhere(make_document: Make) -> None:
    """Text without a space cannot make an endless passage."""
    chunks = split_document(make_document("x" * 5_000 + "\n" * 5_000 + "y"))
    assert max(len(chunk.text) for chunk in chunks) <= PASSAGE_LIMIT
    assert chunks[-1].text.strip() == "y"
    assert all(chunk.text.strip() for chunk in chunks)


def test_long_plan_is_cut_between_rows(make_document: Make) -> None:
    """A plan that is too long for one chunk is not lost."""
    row = f"| t1 | {'x' * 80} |\n"
    chunks = split_document(make_document("## Plan\n\n" + row * 100, past=True))
    assert {chunk.section for chunk in chunks} == {"plan"}
    assert max(len(chunk.text) for chunk in chunks) <= LONGEST
    assert "".join(chunk.text for chunk in chunks).strip() == (row * 100).strip()


@given(
    text=st.lists(
        st.sampled_from(["# Heading\n", "```\n", "word " * 40, "x" * 1_300, "\n\n", "| row |\n"]),
        min_size=1,
        max_size=40,
    ).map("".join),
    past=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_chunks_are_the_text_when_joined(text: str, *, past: bool) -> None:
    """Whatever stands where, no word is lost, doubled or moved."""
    document = Document(document_id="d", title="t", text=text, name="n.md", is_past_assignment=past)
    chunks = split_document(document)
    assert "".join("".join(chunk.text for chunk in chunks).split()) == "".join(text.split())
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(len(chunk.text) <= LONGEST for chunk in chunks)


@pytest.mark.parametrize("unit", ["# a\n", "# " + "#" * 99 + "x ", "```\n", "\n", " ", "- "])
def test_hostile_text_is_split_in_a_moment(make_document: Make, unit: str) -> None:
    """A text of 1 MB takes no longer for being odd, and makes a bounded number of chunks."""
    start = time.perf_counter()
    chunks = split_document(make_document("a" + unit * (1_000_000 // len(unit))))
    assert time.perf_counter() - start < 10
    assert len(chunks) < 4_000
