"""Deadlines in the words of briefs."""

from datetime import date

import pytest

from agent.models.offline.reading.deadline import find_deadline

TODAY = date(2026, 11, 22)
"""A Sunday."""


@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        ("This assignment is due on **Monday, May 06 2024** at 11:59pm PST.", "2024-05-06T23:59"),
        ("**Due Date: Thursday,  February 10, 11:59 PM PT**", "2027-02-10T23:59"),
        ("## Due Date: Thursday 02/17 by 11:59 PM PST", "2027-02-17T23:59"),
        ("Due 12 December.", "2026-12-12"),
        ("Due 14 March 2025, 23:59.", "2025-03-14T23:59"),
        ("Deadline: 2026-12-01T18:00", "2026-12-01T18:00"),
        ("Deadline 2026-12-01", "2026-12-01"),
        ("Submit the report by Dec 3rd, noon.", "2026-12-03T12:00"),
        ("Hand in everything no later than the 25th of May 2027 at 5 p.m.", "2027-05-25T17:00"),
        ("plan a todo app by Friday", "2026-11-27"),
        ("finish the parser until next Sunday", "2026-11-29"),
        ("due today", "2026-11-22"),
        ("due tomorrow at midnight", "2026-11-23T23:59"),
        ("I have 5 days until the deadline", "2026-11-27"),
        ("the deadline is in two weeks", "2026-12-06"),
        ("due at the end of the month", "2026-11-30"),
        ("Abgabe bis 12.12.2026, 18 Uhr", "2026-12-12T18:00"),
        ("Die Abgabefrist ist der 3. Dezember", "2026-12-03"),
        ("Fecha de entrega: 12 de diciembre de 2026", "2026-12-12"),
        ("À rendre pour le 5 janvier", "2027-01-05"),
        ("Prazo: 15 de dezembro", "2026-12-15"),
        ("Due 29 February.", "2028-02-29"),
        ("Due 31/12/2026.", "2026-12-31"),
        ("Due 3/4/27.", "3/4/27"),
        ("Due 3/4/2027", "3/4/2027"),
        ("Due 10-12-2026", "10-12-2026"),
        ("Due 3/4/2027 at 5pm", "3/4/2027 17:00"),
        ("Due Sunday 3/4/2027", "3/4/2027"),
        ("Due Saturday 3/4/2027", "2027-04-03"),
        ("Due 4/4/2027", "2027-04-04"),
        ("Due 25-12-2026", "2026-12-25"),
        ("Due 3.4.2027", "2027-04-03"),
        ("Due: 2026/12/10", "2026-12-10"),
        ("Hand in: Friday, 5 pm", "2026-11-27T17:00"),
        ("To submit: by 12 December, a zip", "2026-12-12"),
        ("Due Dec 4 at 5pm. Late submissions until Dec 8.", "2026-12-04T17:00"),
        ("Due Dec 4, late submissions until Dec 8 at 5pm", "2026-12-04"),
        ("Due Dec 4 (late with a penalty until Dec 8).", "2026-12-04"),
        ("Deadline (no extension, not even to Dec 9): Dec 4", "2026-12-04"),
        ("The work is due (Dec 4).", "2026-12-04"),
        (
            "Submit a zip by 10 December 2026 at 17:00. Late submissions are accepted until "
            "12 December 2026.",
            "2026-12-10T17:00",
        ),
        ("Hand in by Dec 10. Peer review due Dec 12.", "2026-12-10"),
        ("Hand in by Dec 10; we meet again on Dec 12.", "2026-12-10"),
        ("Due Dec 4. The lecture starts at 9 am.", "2026-12-04"),
        ("There is one deadline. It is Dec 4.", "2026-12-04"),
        ("The deadline is strict. We start Dec 1.", None),
        ("Proposal due 1 December, report due 15 December.", "2026-12-15"),
        ("My tasks are due tomorrow, show me a plan", "2026-11-23"),
        ("A report is due on 4 December 2026.", "2026-12-04"),
        ("You build a page that has a list of items. It is due Dec 4.", "2026-12-04"),
        (
            "Plan an app where loans are due in 14 days, submit it by 4 December",
            "2026-12-04",
        ),
        ("Extended deadline: Dec 9 (was Dec 4)", "2026-12-09"),
        ("Due: December 10 (extended from December 5)", "2026-12-10"),
        ("Deadline: `2026-12-01`", "2026-12-01"),
        (
            "Build a library. Due 4 December 2026.\n\n"
            "1. A loan made on 2026-03-01 is due 2026-03-15.",
            "2026-12-04",
        ),
        ("14 March 2027 is the deadline for this lab.", "2027-03-14"),
        ("### Due date\n\nTuesday, April 12 at 11:59 pm", "2027-04-12T23:59"),
        ("Proposal due 1 December 2026.\n\nReport due 15 December 2026.", "2026-12-15"),
        ("Due 8 December 2026.\n\nLate submissions are due by 12 December 2026.", "2026-12-08"),
        ("Released 1 December, due 8 December.", "2026-12-08"),
        ("due 1 December 2026 at 24:00", "2026-12-01T23:59"),
    ],
)
def test_deadline_is_found(text: str, deadline: str | None) -> None:
    """The date that says when the work is due is given in ISO 8601."""
    assert find_deadline(text, TODAY) == deadline


@pytest.mark.parametrize(
    "text",
    [
        "There is no due date for this ungraded assignment.",
        "<!-- due Sunday, December 12th -->\nBuild a page.",
        "The data was collected in January 2016 and published on 3 March 2017.",
        "This error is due to the change of 3 March 2017.",
        "Due date: to be announced. Released on 1 December 2026.",
        "Lectures start on 12 December 2026. The exam is on 20 January 2027.",
        "Uses Python 3.11 and is due soon.",
        "Due 45 December 2026.",
        "### Due date\n\nThere is no deadline for now, ask on 3 December.",
        "### Due date\n\nReleased 3 December",
        "due whenever the sun shines",
        "due mon",
        "1. A loan made on 2026-03-01 is due 2026-03-15.",
        "Show 'Due tomorrow' in red",
        "The label reads \u201cdue 4 December 2026\u201d.",
        "Show tasks due tomorrow in red.",
        "User can see which items are due in 3 days.",
        "The invoice is due in 30 days.",
        "The rent falls due on 4 December 2026.",
        "Each task has a due date such as 2026-12-24",
        "Every book has a due date, for example 2026-12-24.",
        "You have 3 days to appeal after the due date.",
        "After the due date you have 3 days to appeal.",
        "You have 3 days after the deadline to ask.",
        "Due 45-12-2026",
        '`{"due": "2026-12-24"}`',
        "",
    ],
)
def test_other_dates_are_not_taken(text: str) -> None:
    """A date without the word for it is no deadline."""
    assert find_deadline(text, TODAY) is None


def test_long_text_needs_a_verb_for_by_friday() -> None:
    """In a long brief `by Friday` alone may be about anything."""
    text = "The shop opens its doors. " * 40
    assert find_deadline(f"{text}\n\nThe owner answers by Friday.", TODAY) is None
    assert find_deadline(f"{text}\n\nSubmit your work by Friday.", TODAY) == "2026-11-27"


def test_date_without_year_needs_today() -> None:
    """Without a day of today nothing is guessed."""
    assert find_deadline("Due 12 December.", None) is None
    assert find_deadline("Due Friday.", None) is None
    assert find_deadline("Due 12 December 2026.", None) == "2026-12-12"


def test_impossible_times_are_left_out() -> None:
    """A broken time does not take the date with it."""
    assert find_deadline("Due 2026-12-01T77:00", TODAY) == "2026-12-01"


def test_endless_future_is_no_date() -> None:
    """Counting past the calendar's end gives nothing."""
    assert find_deadline("due in 99 weeks", date(9999, 12, 1)) is None
