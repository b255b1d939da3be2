"""What a text calls itself."""

import pytest

from retrieval.titles import heading_of, title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Sorting lab\n\nSort.", "Sorting lab"),
        ("## Setup\n\n## *Sorting* lab ##\n", "Sorting* lab"),
        ("```python\n# Initialize Otter\n```\n\n# Homework 3: Tweets", "Homework 3: Tweets"),
        ("~~~\n# never closed", ""),
        ("# Instructions\n\nCount.", ""),
        ("# [Assignment Name]\n\nCount.", ""),
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
