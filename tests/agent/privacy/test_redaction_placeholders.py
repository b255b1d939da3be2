"""Restoring: the values come back, and nothing else does."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.privacy.redaction import Enrolment, Placeholders, Redactor, StreamRestorer, restore

TEXT = "I am Rose Marsh, key sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7, mail r.m@uni.pt"


@pytest.fixture
def redactor() -> Redactor:
    """A redactor that has seen one text."""
    made = Redactor(Enrolment("Rose", "Marsh"))
    made.redact(TEXT)
    return made


def test_text_comes_back_when_it_was_redacted(redactor: Redactor) -> None:
    """Identifiers and secrets alike."""
    redacted = redactor.redact(TEXT).text
    assert redacted == "I am <PERSON_1>, key <SECRET_1>, mail <EMAIL_1>"
    assert redactor.restore(redacted) == TEXT


@pytest.mark.parametrize(
    "written",
    [
        "<PERSON_1>",
        "<person_1>",
        "< PERSON_1 >",
        "<PERSON 1>",
        r"<PERSON\_1>",
        r"\<PERSON_1\>",
        "&lt;PERSON_1&gt;",
    ],
)
def test_name_comes_back_when_the_model_damages_the_placeholder(
    redactor: Redactor, written: str
) -> None:
    """Case, spaces, Markdown and HTML."""
    assert restore(f"Dear {written}!", redactor.placeholders) == "Dear Rose Marsh!"


@pytest.mark.parametrize("written", ["<PERSON_7>", "<PHONE_1>", "PERSON_1", "<b>", "a < b > c_1>"])
def test_answer_stays_when_nobody_made_the_placeholder(redactor: Redactor, written: str) -> None:
    """A placeholder that a model invents stands for nothing."""
    assert redactor.restore(written) == written


def test_number_is_passed_over_when_the_text_writes_it() -> None:
    """A literal `<EMAIL_1>` must not come to mean the next address."""
    redactor = Redactor()
    redacted = redactor.redact("what is <EMAIL_1>? mine is r.m@uni.pt")
    assert redacted.text == "what is <EMAIL_1>? mine is <EMAIL_2>"
    assert redactor.restore("<EMAIL_1> <EMAIL_2>") == "<EMAIL_1> r.m@uni.pt"


@given(st.lists(st.integers(0, 60), max_size=6))
def test_answer_is_restored_when_it_is_cut_anywhere(cuts: list[int]) -> None:
    """Pieces of a stream give what the whole gives."""
    placeholders = Placeholders()
    placeholders.name("PERSON", "Rose")
    placeholders.name("EMAIL", "r.m@uni.pt")
    answer = "if a < b && <PERSON_1> \\ &lt;EMAIL_1&gt; <b>x</b> <PERSON_9> <"
    places = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]
    stream = StreamRestorer(placeholders)
    pieces = [stream.feed(answer[a:b]) for a, b in pairwise(places)]
    assert "".join(pieces) + stream.flush() == restore(answer, placeholders)


def test_piece_is_held_back_only_when_it_may_be_a_placeholder() -> None:
    """A comparison sign delays no more than forty characters."""
    stream = StreamRestorer(Placeholders())
    assert stream.feed("plain text") == "plain text"
    assert stream.feed(" <") == " "
    assert stream.feed("x" * 50) == "<" + "x" * 50
