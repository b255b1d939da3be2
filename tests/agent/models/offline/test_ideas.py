"""One-line wishes for a plan."""

import pytest

from agent.models.offline.plans.planning import draft_plan
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.ideas import read_idea


@pytest.mark.parametrize(
    ("line", "subject", "parts"),
    [
        ("plan a todo app in Rust", "the todo app", ()),
        ("plan my Zoo API please", "Zoo API", ()),
        (
            "outline the steps needed to build a tic tac toe game in python",
            "the tic tac toe game",
            (),
        ),
        ("propose an order of attack for the OS lab", "OS lab", ()),
        ("steps to deploy a flask app", "the flask app", ()),
        ("Sketch the architecture for a chat server, no implementation", "the chat server", ()),
        (
            "Due Friday: plan my compiler project, we need lexer, parser and codegen in OCaml",
            "the compiler project",
            ("Add lexer", "Add parser", "Add codegen"),
        ),
        (
            "design the workflow for my data analysis assignment: load, clean, plot, report",
            "the data analysis assignment",
            ("Load", "Clean", "Plot", "Report"),
        ),
        (
            "is my plan ok? 1) read csv 2) clean 3) model 4) report. what is missing",
            "",
            ("Read csv", "Clean", "Model", "Report"),
        ),
        ("help me plan: 4 tasks, 6 hours, task 1 is worth 40%", "", ()),
        ("Can you break this assignment down into steps for me?", "", ()),
        ("hwo do i brek down this assigment its huge", "", ()),
        ("Create a plan for the final project", "", ()),
        ("Erstelle mir bitte einen Zeitplan", "", ()),
    ],
)
def test_wish_is_read(line: str, subject: str, parts: tuple[str, ...]) -> None:
    """What is to be planned and its parts come out; a vague wish has neither."""
    idea = read_idea(line)
    assert idea is not None
    assert (idea.subject, idea.parts) == (subject, parts)


@pytest.mark.parametrize(
    "text",
    [
        "Build an app to organise recipes.",
        "Trip Planner - Let the user plan a trip and list its steps.",
        "plan this\n\nBuild a page.",
        "plan " + "a very long story " * 30,
        "Reverse a string.",
        "",
    ],
)
def test_other_texts_are_no_wish(text: str) -> None:
    """Briefs, however short, are read as briefs."""
    assert read_idea(text) is None


def test_vague_wish_gets_a_general_plan_that_says_so() -> None:
    """Without an assignment text the plan begins with reading it, and says why it is general."""
    draft = draft_plan(Asked(request="hwo do i brek down this assigment its huge"))
    assert draft.tasks[0].description.startswith("Read the assignment text")
    assert any("paste the text" in risk for risk in draft.risk_factors)
    assert draft.success_criteria == [
        "Everything that the assignment asks for works and is handed in"
    ]


def test_bare_idea_is_built_from_small_to_whole() -> None:
    """An idea without parts is built end to end first."""
    tasks = [
        task.description for task in draft_plan(Asked(request="plan a todo app in Rust")).tasks
    ]
    assert "Build the smallest version of the todo app that runs from start to end" in tasks


def test_article_fits_the_language() -> None:
    """`an OCaml project`, `a Rust project`."""
    draft = draft_plan(Asked(request="plan a parser in OCaml, it needs tokens, rules and errors"))
    assert draft.tasks[0].description == "Set up an OCaml project for the parser"
