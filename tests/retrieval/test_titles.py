"""What a text calls itself."""

import pytest

from retrieval.reading.titles import given_title, heading_of, title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Sorting lab\n\nSort.", "Sorting lab"),
        ("## Setup\n\n## *Sorting* lab ##\n", "Sorting* lab"),
        ("```python\n# Initialize Otter\n```\n\n# Homework 3: Tweets", "Homework 3: Tweets"),
        ("~~~\n# never closed", ""),
        ("# Instructions\n\nCount.", ""),
        ("# [Assignment Name]\n\nCount.", ""),
        ("## page 1\n\n## Solution\n\n## Tests\n\n## Plan", ""),
        ("## Test plans of the airport", "Test plans of the airport"),
        ("Count.", ""),
        (f"# {'long ' * 40}", f"{('long ' * 16)[:79].rstrip()}…"),
    ],
)
def test_heading_is_the_first_that_says_something_when_looked_for(text: str, title: str) -> None:
    """Comments in code and headings such as 'Setup' name nothing."""
    assert heading_of(text) == title


def test_title_is_the_first_line_when_no_heading_says_anything() -> None:
    """A one-line request is its own title."""
    assert title_of("plan a to-do app\nin Rust") == "plan a to-do app"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Sorting\x00\nlab ", "Sorting lab"),
        ("Microsoft Word - Sorting lab", "Sorting lab"),
        ("Microsoft Word - hw3.doc", ""),
        ("PowerPoint Presentation", ""),
        ("Word Document", ""),
        ("Untitled 1", ""),
        ("\ud800", ""),
        ("", ""),
    ],
)
def test_given_title_is_empty_when_a_program_wrote_it(text: str, title: str) -> None:
    """Only what a person wrote names a file."""
    assert given_title(text) == title
