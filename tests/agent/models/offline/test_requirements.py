"""What a brief asks for, and how it is said as an order."""

import pytest

from agent.models.offline.plans.grouping import group
from agent.models.offline.reading.orders import describe, order
from agent.models.offline.reading.outline import outline
from agent.models.offline.reading.requirements import (
    Requirement,
    find_requirements,
    rubric_criteria,
)


def texts(brief: str) -> list[str]:
    """Return the requirements of a brief as texts."""
    return [requirement.text for requirement in find_requirements(outline(brief))]


def test_checkboxes_are_the_requirements() -> None:
    """Checkboxes win over everything; bonus ones are marked; details are part of theirs."""
    brief = (
        "## User Stories\n- [ ] User can see a list:\n    - of names\n- [x] User can click it\n\n"
        "- just a remark\n\n## Bonus features\n- [ ] Dark mode\n\n## Useful links\n- [ ] "
        "not this one"
    )
    found = find_requirements(outline(brief))
    assert [one.text for one in found] == [
        "User can see a list: of names",
        "User can click it",
        "Dark mode",
    ]
    assert [one.is_bonus for one in found] == [False, False, True]


def test_numbered_list_is_read_with_its_details() -> None:
    """Indented items belong to the one above."""
    brief = (
        "1. Store the orders\n   - in SQLite\n2. List the orders\n3. Delete an order\n4. "
        "Test it all"
    )
    assert texts(brief) == [
        "Store the orders; in SQLite",
        "List the orders",
        "Delete an order",
        "Test it all",
    ]


def test_bullets_after_including_are_details() -> None:
    """A list that a sentence introduces belongs to the sentence."""
    assert texts("Describe one sensor, including:\n\n- What it does\n- What it costs") == [
        "Describe one sensor, including: What it does; What it costs"
    ]


def test_question_headings_are_requirements() -> None:
    """Questions with parts are told by their parts."""
    brief = (
        "## Question 1: Loading (5 points)\nSome words.\n\n### Question 1a\nWe look at rows. "
        "Load `a.csv` into a table.\n\n### Question 1 b\nHow many rows are there?\n\n"
        "## (Bonus) Question 2: Clustering\n\n## Question 3\n"
    )
    found = find_requirements(outline(brief))
    assert [one.text for one in found] == [
        "Question 1a: Load `a.csv` into a table.",
        "Question 1b: How many rows are there?",
        "Question 2: Clustering",
    ]
    assert found[2].is_bonus


def test_route_table_is_read() -> None:
    """A table of routes asks for each of them."""
    brief = (
        "| What | Method | URL |\n|---|---|---|\n| List of users | GET | /users |\n| Create "
        "user | POST | `/add` |"
    )
    assert texts(brief) == ["Provide GET /users: List of users", "Provide POST /add: Create user"]


def test_prose_is_searched_for_orders() -> None:
    """Sentences that ask are taken; stories, hints and examples are not."""
    brief = (
        "Once upon a time there was a shop. Your task is to count the eggs. The program should "
        "refuse negative numbers. For example, you should get 3. You will learn a lot. "
        "For added complexity, sort them."
    )
    found = find_requirements(outline(brief))
    assert [one.text for one in found] == [
        "Your task is to count the eggs.",
        "The program should refuse negative numbers.",
        "For added complexity, sort them.",
    ]
    assert found[2].is_bonus


def test_notebook_filler_is_no_order() -> None:
    """What tells nothing of a question is passed over; a question without an order is kept."""
    brief = (
        "### Question 1a\nThen display the result so you can read it. Please load `a.csv`.\n\n"
        "### Question 1b\nNo code is required for this question! In the cell below, plot the rows."
        "\n\n"
        "### Question 1c\nUse this space to put your EDA. The rows per day matter here."
    )
    assert texts(brief) == [
        "Question 1a: Load `a.csv`.",
        "Question 1b: Plot the rows.",
        "Question 1c: The rows per day matter here.",
    ]
    assert describe(find_requirements(outline(brief))[:2]) == (
        "Solve Question 1a: Load `a.csv`; Question 1b: Plot the rows"
    )


def test_lists_of_data_are_no_work() -> None:
    """Facts and pairs of values are what the program works with."""
    letters = (
        'Your task is to change the format of the letters.\n\n- 1 point: "A", "E",\n'
        '- 2 points: "D"\n\n'
        'This must become one mapping.\n\n- "a" is worth 1 point.\n- etc.'
    )
    assert texts(letters) == [
        "Your task is to change the format of the letters.",
        "This must become one mapping.",
    ]
    puzzle = (
        "- Which of them drinks water?\n- Who owns the zebra?\n\n"
        "These 2 statements are all known to be true:\n\n1. There are five houses.\n"
        "2. The Ukrainian drinks tea.\n3. Print the answer."
    )
    assert texts(puzzle) == [
        "Which of them drinks water?",
        "Who owns the zebra?",
        "Print the answer.",
    ]


@pytest.mark.parametrize(
    ("brief", "kept"),
    [
        ("You must not use recursion.", "You must not use recursion."),
        ("Count the eggs of a hen. You must not use numpy.", "You must not use numpy."),
        ("1. Count eggs\n2. Sort eggs\n\nDo not use `sorted`.", "Do not use `sorted`."),
        ("- [ ] Count eggs\n- [ ] Sort eggs\n\nNo loops are allowed.", "No loops are allowed."),
    ],
)
def test_bans_are_requirements(brief: str, kept: str) -> None:
    """What a brief forbids is kept beside what it asks for."""
    assert texts(brief)[-1] == kept


def test_idea_loses_its_title() -> None:
    """`Title - text` is a common form of one-line ideas."""
    assert texts("Count Vowels - Enter a string and count its vowels.") == [
        "Enter a string and count its vowels."
    ]


def test_rubric_is_the_last_resort_and_gives_criteria() -> None:
    """Where nothing is asked in words, the rubric says what counts."""
    brief = (
        "## Rubric\n| Criteria | Best | Worst |\n|--|--|--|\n| Compare both | Compared well | Not |"
    )
    assert texts(brief) == ["Compare both"]
    assert rubric_criteria(outline(brief)) == ["Compare both: Compared well"]


def test_any_sentence_is_better_than_none() -> None:
    """A text that asks nothing still says something."""
    assert texts("Zebras, lions.") == ["Zebras, lions."]
    assert texts("") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("User can see a list of names", "Show a list of names"),
        ("User can enter a city.", "Let the user enter a city"),
        ("User will be prompted to enter a name", "Prompt the user to enter a name"),
        ("User must be notified if it fails", "Notify the user if it fails"),
        ("Survey Coordinators can close a survey", "Let the survey coordinators close a survey"),
        ("Visitors cannot vote twice", "Keep the visitors from being able to vote twice"),
        ("Developer should write tests", "Write tests"),
        ("Your task is to count eggs", "Count eggs"),
        ("The program should stop at 10", "Make the program stop at 10"),
        ("Provide `GET /a`", "Provide `GET /a`"),
        ("Also print the sum", "Print the sum"),
        ("Passwords are stored hashed", "Make sure that passwords are stored hashed"),
        ("Which of them drinks tea?", "Answer: Which of them drinks tea?"),
        ("Question 2a: Load it", "Solve Question 2a: Load it"),
        ("A small utility that counts", "Build a small utility that counts"),
        ("Dark mode", "Cover dark mode"),
        (
            "`DELETE /a` works for the owner only",
            "Make sure that `DELETE /a` works for the owner only",
        ),
        ("`r * c >= n`", "Cover `r * c >= n`"),
        ("You must not use recursion.", "Do without recursion"),
        ("Do NOT use any external library", "Do without any external library"),
        ("do NOT use any external library", "Do without any external library"),
        ("Your program may not import numpy", "Do without numpy"),
        ("Students are not allowed to use loops", "Do without loops"),
        ("You must not change the signature", "Do not change the signature"),
        ("Don't print anything else", "Do not print anything else"),
        ("External libraries are not allowed.", "Do without external libraries"),
        ("No external libraries are allowed.", "Do without external libraries"),
        ("There is no login", "Do without login"),
        ("Numpy must not be used", "Do without numpy"),
        ("No login", "Do without login"),
    ],
)
def test_order_says_what_to_do(text: str, said: str) -> None:
    """A requirement becomes an order and loses nothing of its meaning."""
    assert order(text) == said


def test_group_is_described_in_one_line() -> None:
    """What repeats is said once, and what does not fit is counted."""
    three = [Requirement(f"User can {verb} event") for verb in ("create", "edit", "delete")]
    assert describe(three) == "Let the user create event; edit event; delete event"
    many = [
        Requirement(f"User can see the panel number {n} with all its buttons") for n in range(9)
    ]
    assert describe(many).endswith("more)")
    assert len(describe(many)) <= 110
    long = Requirement("User can see " + "a very long and winding list of things, " * 9)
    assert len(describe([long])) <= 110
    bare = [Requirement("User can " + "x" * 300), Requirement("User can go")]
    assert len(describe(bare)) <= 110


def test_groups_keep_sections_and_stay_few() -> None:
    """Sections stay together; many are joined, few are split."""
    of = [Requirement(f"Do {n}", f"s{n // 3}") for n in range(21)]
    assert len(group(of)) == 5
    assert [one.text for members in group(of) for one in members] == [one.text for one in of]
    assert [len(members) for members in group([Requirement(f"Do {n}") for n in range(4)])] == [2, 2]
    assert group([]) == []


def test_outline_knows_bare_code_and_comments() -> None:
    """A flattened notebook without fences has code, not headings."""
    items = outline("# Load it\nimport pandas as pd\n\n# Question 1\nRead <!-- not this --> it.")
    assert [item.kind for item in items] == ["code", "code", "heading", "paragraph"]
    assert items[-1].text == "Read it."


def test_outline_survives_an_open_fence_and_an_open_comment() -> None:
    """Torn Markdown is read to its end; endless code is cut, empty headings are none."""
    endless = outline("```\n" + "x = 1\n" * 500 + "```\n# **\n")
    assert [item.text.count("x") for item in endless] == [200]
    assert [item.kind for item in outline("Text\n```python\nx = 1\n")] == ["paragraph", "code"]
    assert [item.text for item in outline("A <!-- torn\nbrief")] == ["A torn brief"]
