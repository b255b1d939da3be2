"""A brief, read."""

from datetime import date

import pytest

from agent.models.offline.reading.brief import needs_data, read_brief
from agent.models.offline.reading.languages import find_technology
from agent.models.offline.reading.outline import outline


@pytest.mark.parametrize(
    ("text", "language", "framework"),
    [
        ("plan a todo app in Rust", "rust", ""),
        ("Write it in C. Compile with gcc.", "c", ""),
        ("Use C++17 in a C program.", "cpp", ""),
        ("Use Go, please", "go", ""),
        ("Count the points on a Go board.", "", ""),
        ("Build a REST API with FastAPI", "python", "fastapi"),
        ("You will use PyTorch. NumPy helps.", "python", "pytorch"),
        ("Use a framework of your choice (like React, VueJS).", "", ""),
        ("Do not use Java.", "", ""),
        ("Hand in `main.kt`.", "kotlin", ""),
        ("```js\nlet x;\n```", "javascript", ""),
        ("import pandas as pd\n\nx = pd.read_csv('a')", "python", ""),
        ("Each node of the graph is visited.", "", ""),
        ("HTML and JavaScript are needed.", "javascript", ""),
        ("用Python写一个冒泡排序", "python", ""),
        ("Analyse it in R with a report.", "r", ""),
        ("An Angular app in TypeScript", "typescript", "angular"),
        ("See developer.mozilla JavaScript pages", "", ""),
    ],
)
def test_technology_is_what_the_text_names(text: str, language: str, framework: str) -> None:
    """Explicit words, files and fences count; choices and bans do not."""
    found = find_technology(outline(text))
    assert (found.language, found.framework) == (language, framework)


@pytest.mark.parametrize(
    ("title", "text", "subject"),
    [
        ("plan a todo app in Rust", "plan a todo app in Rust", "the todo app"),
        ("My calendar", "# My calendar\nBuild it.", "the calendar"),
        ("Setup", "---\ntitle: Assignment 3\n---\n### Setup\nBuild it.", "Assignment 3"),
        ("Homework 4: Bike Sharing", "# Homework 4: Bike Sharing", "Homework 4: Bike Sharing"),
        ("Count Vowels - Enter a string", "Count Vowels - Enter a string", "Count Vowels"),
        ("Load it", "```python\n# Load it\nx = 1\n```\n# Zoo lab\nGo.", "Zoo lab"),
        ("Grading", "# Grading\n10 points\n\n# Zoo lab\nGo.", "Zoo lab"),
        ("Instructions", "# Instructions\nGo on.", "the assignment"),
        ("", "", "the assignment"),
    ],
)
def test_subject_stands_in_a_sentence(title: str, text: str, subject: str) -> None:
    """The title is cut to what it is about; a heading of no meaning is passed over."""
    assert read_brief(text, title=title).subject == subject


@pytest.mark.parametrize(
    ("text", "deliverables"),
    [
        (
            "Submit `logstat.py`, `test_logstat.py` and a short usage text.",
            ("logstat.py", "test_logstat.py"),
        ),
        ("Hand in the repository with `app/` and a `README.md`.", ("app/", "README.md")),
        (
            "## Deliverables\n- Source code\n- A report of two pages",
            ("Source code", "A report of two pages"),
        ),
        ("Submit a short report and a poster by 12 December.", ("a short report", "a poster")),
        ("User can click the 'Submit' button.", ()),
        ('```python\ngrader = otter.Notebook("hw04.ipynb")\n```', ("hw04.ipynb",)),
        (
            "Deliverables: the source code, `README.md` with set-up instructions, and the report.",
            ("the source code", "README.md with set-up instructions", "the report"),
        ),
        ("Fill in the notebook `knn.ipynb`.", ("knn.ipynb",)),
        ("Abgabe: 12.12.2026, 18 Uhr", ()),
        ("Hand in: Friday, 5 pm", ()),
        ("To submit: by 12 December, a zip", ("a zip",)),
        ("Deliverables: a zip by Friday, a report until 3 May", ("a zip", "a report")),
        ("## Submission\n- Friday, 5 pm\n- until 3 May\n- The source code", ("The source code",)),
        ("Do not submit `main.o`. Submit `main.c`.", ("main.c",)),
    ],
)
def test_deliverables_are_named_as_the_brief_names_them(
    text: str, deliverables: tuple[str, ...]
) -> None:
    """Files and things to submit come out in the brief's own words."""
    assert read_brief(text).deliverables == deliverables


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Do not use threads, a database or the network.", ()),
        ("Use SQLite, but do not use threads.", ("database",)),
        ("Store it in a database; there is no login.", ("database",)),
        ("A shop without a database. No login is needed.", ()),
        ("You must not use recursion.", ()),
        ("Threads are not allowed. Authentication is out of scope.", ()),
        ("Do not store passwords in plain text.", ("authentication",)),
        ("Read the rest of the rows. I promise it works.", ()),
        ("Build a REST service.", ("web API",)),
        ("No two threads may write at once.", ("concurrency",)),
        ("It works without blocking threads.", ("concurrency",)),
    ],
)
def test_what_is_excluded_is_no_topic(text: str, topics: tuple[str, ...]) -> None:
    """A ban on a thing raises no risk of it; a duty in negative words does."""
    assert read_brief(text, title="Zoo").topics == topics


def test_tests_that_are_not_needed_are_not_required() -> None:
    """A flag is not raised by the words that lower it."""
    brief = read_brief("Count eggs. You do not need to write tests. Documentation is not required.")
    assert not brief.testing
    assert not brief.documentation


def test_flags_follow_the_words() -> None:
    """Testing, documentation and git are only required where they are asked for."""
    asked = read_brief("Write unit tests and a README. Push it to a git repository.")
    assert (asked.testing, asked.documentation, asked.git) == (True, True, True)
    silent = read_brief("Count the vowels of a word.")
    assert (silent.testing, silent.documentation, silent.git) == (False, False, False)


def test_research_is_not_programming() -> None:
    """A brief that asks for words is planned as one."""
    assert read_brief("Research AMQP and compare it with MQTT. Describe both.").is_writing
    assert not read_brief("Compare two sorting functions and implement both.").is_writing


def test_web_briefs_are_known_by_what_is_clicked() -> None:
    """A terminal is no page."""
    assert read_brief("- User can click a button\n- User can see the page").is_web
    assert not read_brief("- User can see a list\n- User can type a line in the terminal").is_web


def test_data_is_known_by_files_and_words() -> None:
    """Only briefs with data need a task to look at it."""
    assert needs_data(read_brief("Load `sales.csv` and plot it."))
    assert not needs_data(read_brief("Edit `function.json`."))


def test_complexity_grows_with_the_requirements() -> None:
    """One function is low, many stories with a login are high."""
    assert read_brief("Reverse a string.").complexity == "low"
    stories = "\n".join(f"- [ ] User can do thing number {n}" for n in range(9))
    assert read_brief(stories).complexity == "medium"
    login = f"{stories}\n- [ ] User can login\n- [ ] Votes are stored in a database"
    assert read_brief(login).complexity == "high"


def test_notebook_is_known_by_its_file() -> None:
    """A notebook is not tested with pytest."""
    assert read_brief('grader = otter.Notebook("hw04.ipynb")').is_notebook


def test_deadline_may_stand_in_the_title() -> None:
    """Some teachers put it there."""
    brief = read_brief("Build it.", title="Zoo, due 3 May", today=date(2026, 4, 1))
    assert brief.deadline == "2026-05-03"
