"""A course: its defaults, its checks, and the sentences about what is wrong."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.courses.course import Course, keys_table, parse_course
from agent.errors import SettingsError

ROOT = Path(__file__).parents[3]


def problems(text: str, course_id: str = "prog1") -> list[str]:
    """Return what is said about a file called `prog1.toml`."""
    with pytest.raises(SettingsError) as refused:
        parse_course(course_id, text, "prog1.toml")
    return str(refused.value).splitlines()


def test_course_has_every_default_when_its_file_is_empty() -> None:
    """Nothing has to be decided."""
    course = parse_course("prog1", "", "prog1.toml")
    assert course == Course(id="prog1")
    assert (course.title, course.zone, course.budget_nano_usd) == ("prog1", UTC, None)
    assert (course.guidance, course.models, course.outbound_redaction) == ("full", (), True)


def test_budget_is_exact_when_read() -> None:
    """Money never passes through a binary fraction."""
    assert parse_course("a", "budget = 0.1", "").budget_nano_usd == 100_000_000
    assert parse_course("a", "budget = 4.350000001", "").budget_nano_usd == 4_350_000_001
    assert parse_course("a", "budget = 3", "").budget_nano_usd == 3_000_000_000
    assert parse_course("a", "budget = 0", "").budget_nano_usd == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "P"\ntimezone = "UTC"', "prog1.toml:2: timezone = "),
        ('timezone = "UTC"', "Did you mean time_zone?"),
        ('time_zone = "Europe/Zurch"', '"Europe/Zurch": there is no such time zone.'),
        ('time_zone = "Europe/Zurch"', "Did you mean Europe/Zurich?"),
        ('time_zone = "#"', 'there is no such time zone. Example: time_zone = "Europe/Zurich"'),
        ('time_zone = "Europe"', "there is no such time zone"),
        ('time_zone = "../UTC"', "there is no such time zone"),
        ('language = "German"', 'Example: language = "de"'),
        ('models = [\n  "openai:a",\n  "gpt-4",\n]', 'prog1.toml:1: models = "gpt-4": this does'),
        ('models = "openai:a"', "this is no list. Example: models = ["),
        ('guidance = "hint"', "use one of full, hints, explain-only. Did you mean hints?"),
        ("budget = -1", "greater than or equal to 0. Example: budget = 2.50"),
        ("budget = nan", "prog1.toml:1: budget = NaN"),
        ("budget = 1e400", "prog1.toml:1: budget ="),
        ('budget = "much"', 'budget = "much": this is no amount.'),
        ('starts = "2026-09-14"', "this is no date. Example: starts = 2026-09-14"),
        ("starts = 2026", "this is no date"),
        ("starts = 2026-09-14\nends = 2026-09-13", "toml:2: ends = 2026-09-13: it ends before"),
        ('outbound_redaction = "yes"', "neither true nor false. Example: outbound_redaction = tr"),
        ('consent_text = "../secret.md"', "this does not fit. Example: consent_text = "),
        ('teachers = [""]', 'teachers = "": this does not fit'),
        ("name = 3", "name = 3: this is no text in quotes"),
        ('id = "prog2"', "prog1.toml:1: id = \"prog2\": the id is the name of the file, 'prog1'."),
        ("retention = 5", "this is no table. Write a line [retention]"),
        ("retention.content = 0", "prog1.toml:1: retention.content = 0: "),
        ("[retention]\ncontent = 1.5", "prog1.toml:2: retention.content = 1.5: this is no whole"),
        ("[retention]\ncontents = 1", "no such key. Did you mean content? Known: content, meta"),
        ('[retention]\nteachers = ["a"]', 'toml:2: retention.teachers = ["a"]: this is no key of'),
        ("content = 5", "Write it below a line [retention]"),
        ("[retention]\n\ncontent = 500", "toml:1: retention.metadata = 400: the text of a record"),
        ("[retention]\ncontent = 9\nmetadata = 8", "toml:3: retention.metadata = 8: the text of"),
        ("[budget]\na = 1", "prog1.toml:1: budget = {…}: this is no amount"),
        ("a = 1\na = 2", "prog1.toml:2: this is not TOML (Cannot overwrite a value)."),
        ("name = P", "prog1.toml:1: this is not TOML (Invalid value)"),
        ("ends = 2026-02-30", "prog1.toml:1: this is not TOML"),
    ],
)
def test_problem_is_named_when_a_key_is_wrong(text: str, said: str) -> None:
    """File, line, key, value, and what to do."""
    (problem,) = problems(text)
    assert said in problem


def test_every_problem_is_named_when_there_are_several() -> None:
    """One line each, so that a teacher corrects them in one go."""
    found = problems('language = "D"\r\nbudgt = 3\r\n\r\nguidance = "no"\r\n[retention]\r\nc = 1')
    assert [re.findall(r":(\d+): (\S+)", problem)[0] for problem in found] == [
        ("1", "language"), ("2", "budgt"), ("4", "guidance"), ("6", "retention.c"),
    ]  # fmt: skip


def test_value_is_shortened_when_it_is_long() -> None:
    """A pasted page does not fill the screen."""
    assert len(problems(f'language = "{"x" * 9_000}"')[0]) < 300


@pytest.mark.parametrize("name", ["Prog1", "prog 1", "-prog", "", "p" * 65, "prog1\n", "p.1"])
def test_file_is_refused_when_its_name_is_no_id(name: str) -> None:
    """The id stands in addresses and records."""
    assert "Rename it" in problems("", name)[0]


@given(st.text(max_size=60))
@example("name = " + "1" * 5_000)
def test_nothing_but_problems_comes_when_the_file_is_any_text(text: str) -> None:
    """Either a course or sentences, never a traceback."""
    try:
        said = parse_course("a", text, "a.toml").id
    except SettingsError as error:
        said = str(error)
    assert said.startswith("a")


@given(st.sampled_from(sorted(Course.model_fields)), st.integers(0, 5), st.booleans())
def test_line_is_exact_when_a_key_is_wrong(key: str, before: int, closing: bool) -> None:  # noqa: FBT001 - hypothesis fills it
    """Whatever stands around it: comments, blank lines, texts over several lines."""
    above = ["# a key = 1", "", 'name = """', f"{key} = 3", '"""', "# = ["][
        : before if before < 3 else 6
    ]
    if key == "name":
        above = [line for line in above if line.startswith("#") or not line]
    text = "\n".join([*above, f"{key} = [", "  [{}],", "]", *(["# end"] if closing else [])])
    assert problems(text)[0].startswith(f"prog1.toml:{len(above) + 1}: {key} = ")


def test_course_is_closed_when_its_days_are_over() -> None:
    """The days are those of its zone: in Auckland it is tomorrow already."""
    course = Course(
        id="a", time_zone="Pacific/Auckland", starts=date(2026, 3, 2), ends=date(2026, 6, 5)
    )
    assert course.why_closed(datetime(2026, 3, 1, 10, tzinfo=UTC)) == "a begins on 2026-03-02"
    assert course.why_closed(datetime(2026, 3, 1, 12, tzinfo=UTC)) == ""
    assert course.why_closed(datetime(2026, 6, 5, 11, tzinfo=UTC)) == ""
    assert course.why_closed(datetime(2026, 6, 5, 13, tzinfo=UTC)) == "a ended on 2026-06-05"


def test_remedy_is_named_when_the_machine_knows_no_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small container has no time zones; the default course works there all the same."""
    monkeypatch.setattr("agent.courses.course._zones", frozenset)
    assert "pip install tzdata" in problems('time_zone = "Europe/Zurich"')[0]
    assert parse_course("a", "", "a.toml").time_zone == "UTC"


def test_key_has_a_meaning_when_it_is_listed() -> None:
    """The table of the page holds every key, and each example passes its own check."""
    table = keys_table()
    for key, field in Course.model_fields.items():
        assert (f"| `{key}" in table) == (key != "id")
        assert field.description
        for value in field.examples or ():
            Course.model_validate({"id": "a", key: value})


def test_page_is_true_when_read() -> None:
    """The file that the page shows is refused in the words that it shows."""
    page = (ROOT / "docs" / "courses.md").read_text("utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    said = re.search(r"is refused with\n\n```text\n(.*?)```", page, re.S)
    assert said is not None
    assert problems(shown) == said[1].splitlines()
    assert keys_table() in page
