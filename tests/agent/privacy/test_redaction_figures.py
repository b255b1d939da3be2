"""The figures the redactor is accepted by, on the labelled sets, and its time on hostile texts."""

import time
from pathlib import Path

import pytest

from agent.privacy.redaction import Enrolment, Redactor, Roster
from benchmarks.redaction import (
    HOSTILE,
    STRUCTURED,
    course_of,
    enrolment_of,
    false_alarms,
    hostile_text,
    judge,
    read_rows,
    recall_of,
)

LIMIT = 2.0
"""CPU seconds; the aim is 0.2 on an idle machine, and quadratic time would take minutes."""


def test_student_messages_are_redacted_when_the_course_is_known(eval_data: Path) -> None:
    """F2 of 0.97, precision of 0.99; the sender's record alone already reaches 0.95."""
    rows = read_rows(eval_data, "pii_student_dev.jsonl")
    roster = Roster(course_of(rows))
    both = judge(rows, lambda row: Redactor(enrolment_of(row), roster))
    assert both["f2"] >= 0.97
    assert both["precision"] >= 0.99
    assert both["clean_flagged"] == 0
    assert judge(rows, lambda row: Redactor(enrolment_of(row)))["f2"] >= 0.95


def test_structured_data_is_found_when_nobody_listed_it(eval_data: Path) -> None:
    """Recall of 0.95; of names and addresses, what this set gave when it was measured last."""
    rows = read_rows(eval_data, "pii_presidio_dev.jsonl")
    judged = judge(rows, lambda _: Redactor())
    assert recall_of(judged, STRUCTURED) >= 0.95
    assert judged["precision"] >= 0.99
    assert recall_of(judged, ["PERSON"]) >= 0.7
    assert recall_of(judged, ["STREET_ADDRESS"]) >= 0.9


def test_code_is_left_alone_when_it_holds_nobody(eval_data: Path) -> None:
    """Two false alarms in 1,000 lines at most, whoever sends it."""
    rows = read_rows(eval_data, "code_windows_dev.jsonl")
    students = read_rows(eval_data, "pii_student_dev.jsonl")
    roster = Roster(course_of(students))
    for student in students[::20]:
        sender = enrolment_of(student)
        assert false_alarms(rows, lambda _, sender=sender: Redactor(sender, roster)) <= 2.0  # type: ignore[misc] # a default binds the loop's value


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_short_when_the_text_is_hostile(piece: str) -> None:
    """No pattern goes back over 50,000 characters again and again."""
    redactor = Redactor(Enrolment("May", "Lin"), Roster(["Chloe Dupont", "Mark Hunter"]))
    started = time.process_time()
    redactor.redact(hostile_text(piece))
    assert time.process_time() - started < LIMIT
