"""Which kind of help a request is for."""

import json
from pathlib import Path

import pytest

from graphs.rules import decide_by_rules, score

_LABELS = {"planner": "planning", "chat": "chat", "codegen": "codegen"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Can you break this project down into steps?", "planning"),
        ("What is the difference between a list and a tuple?", "chat"),
        ("Write a function that reverses a string", "codegen"),
    ],
)
def test_rules_decide_when_a_request_is_plain(text: str, kind: str) -> None:
    """Everyday requests need no model."""
    assert decide_by_rules(text) == kind


def test_rules_stay_silent_when_they_are_not_sure() -> None:
    """What looks like two kinds goes to a model."""
    assert decide_by_rules("skip the plan and give me the code") is None


def test_assignment_text_is_planned_when_nothing_is_asked() -> None:
    """A pasted brief is a request for a plan."""
    brief = "Implement a bank.\n" + "- The account keeps a balance and a list of movements.\n" * 20
    assert max(score(brief), key=lambda kind: score(brief)[kind]) == "planning"


def test_rules_hold_their_rate_on_the_labelled_messages(eval_data: Path) -> None:
    """On the labelled set at least nine in ten sure decisions are right."""
    lines = (eval_data / "router_dev.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    sure = [(decide_by_rules(row["text"]), _LABELS[row["label"]]) for row in rows]
    decided = [(guess, label) for guess, label in sure if guess]
    assert len(decided) >= len(rows) // 2
    assert sum(guess == label for guess, label in decided) / len(decided) >= 0.9
