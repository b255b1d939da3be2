"""The folder of courses, and the one course that a request belongs to."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.courses.book import DEFAULT_ID, CourseBook, find_folder, problems_in
from agent.courses.course import Course
from agent.errors import InputError, NotFoundError, SettingsError

EXAMPLES = Path(__file__).parents[3] / "examples" / "courses"
IDS = st.sampled_from(["a", "b", "c", DEFAULT_ID])
BOOK = CourseBook({one: Course(id=one) for one in ("a", "b", "c", DEFAULT_ID)}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two courses, and what else lies about."""
    made = tmp_path / "courses"
    made.mkdir()
    (made / "prog1.toml").write_text('name = "One"\nteachers = ["meier"]', "utf-8")
    (made / "prog2.toml").write_bytes(b'\xef\xbb\xbfname = "Zwei \xc3\xbc"\r\n')
    (made / ".#prog1.toml").write_text("an editor's", "utf-8")
    (made / "notes.md").write_text("not a course", "utf-8")
    return made


def test_default_course_is_there_when_nothing_is_set_up() -> None:
    """The demo and a notebook work unasked, with every key at its default."""
    book = CourseBook.open(None)
    assert list(book.courses) == [DEFAULT_ID]
    assert book.resolve("", []) == book.get(DEFAULT_ID)
    assert book.get(DEFAULT_ID) == Course(id=DEFAULT_ID, name="Default course")


def test_courses_are_read_when_a_folder_is_named(folder: Path) -> None:
    """Beside the default one, with or without a byte order mark; nothing else is taken for one."""
    book = CourseBook.open(folder)
    assert {one.id: one.title for one in book.courses.values()} == {
        DEFAULT_ID: "Default course",
        "prog1": "One",
        "prog2": "Zwei ü",
    }
    assert (book.taught_by("meier"), book.taught_by("lee")) == (["prog1"], [])
    with pytest.raises(NotFoundError, match=r"no course 'prog'. Known: default, prog1, prog2\."):
        book.get("prog")


def test_default_course_is_replaced_when_the_folder_has_one(folder: Path) -> None:
    """An operator decides for those who are in no course, too."""
    (folder / "default.toml").write_text('guidance = "hints"', "utf-8")
    assert CourseBook.open(folder).resolve("", []).guidance == "hints"


def test_example_is_read_when_copied(tmp_path: Path) -> None:
    """The file in the examples is a course, with its wording, and shows every key."""
    shutil.copytree(EXAMPLES, tmp_path / "courses")
    book = CourseBook.open(find_folder(tmp_path))
    course = book.get("prog1")
    assert course.model_fields_set == set(Course.model_fields)
    assert course.budget_nano_usd == 2_500_000_000
    assert "assist consent withdraw" in book.wording_of("prog1")
    assert book.wording_of(DEFAULT_ID) == ""
    assert problems_in(tmp_path / "courses") == []


def test_every_problem_is_named_when_several_files_are_wrong(folder: Path) -> None:
    """One start shows all there is to correct; a check of one course shows its own."""
    (folder / "prog1.toml").write_text("budget = -1\nnme = 1", "utf-8")
    (folder / "Bad Name.toml").write_text("", "utf-8")
    (folder / "prog2.toml").write_bytes(b'# \xc3\xbc\nname = "\xfc"')
    (folder / "prog3.toml").mkdir()
    with pytest.raises(SettingsError) as refused:
        CourseBook.open(folder)
    found = str(refused.value).splitlines()
    assert found == problems_in(folder)
    starts = ["Bad Name.toml: ", "prog1.toml:1: ", "prog1.toml:2: ", "prog2.toml:2: ", "prog3.to"]
    assert [p.removeprefix(f"{folder}/")[: len(s)] for p, s in zip(found, starts, strict=True)] == (
        starts
    )
    assert len(problems_in(folder, "prog1")) == 2
    assert problems_in(folder, DEFAULT_ID) == []
    with pytest.raises(NotFoundError, match=r"no course 'x'\. Known: Bad Name, default, prog1"):
        problems_in(folder, "x")


@pytest.mark.parametrize(
    ("wording", "said"),
    [(None, "No such file"), (b"  \n", "it is empty"), (b"a\n\xff", r"own.md:2: it is not UTF-8")],
)
def test_wording_is_refused_when_it_cannot_be_shown(
    folder: Path, wording: bytes | None, said: str
) -> None:
    """Nobody can agree to nothing; the line that names the file is named."""
    (folder / "prog1.toml").write_text('name = "One"\nconsent_text = "own.md"', "utf-8")
    if wording is not None:
        (folder / "own.md").write_bytes(wording)
    with pytest.raises(SettingsError, match=rf'prog1.toml:2: consent_text = "own.md": .*{said}'):
        CourseBook.open(folder)


def test_folder_is_refused_when_it_was_named_and_is_not_there(tmp_path: Path) -> None:
    """A misspelt folder would take away every course's limits; the usual one may be missing."""
    with pytest.raises(SettingsError, match=r"nowhere cannot be read \(No such file"):
        CourseBook.open(find_folder(tmp_path, tmp_path / "nowhere"))
    assert find_folder(tmp_path) is None
    (tmp_path / "courses").mkdir()
    assert find_folder(tmp_path) == tmp_path / "courses"


def test_course_has_to_be_named_when_a_person_is_in_several() -> None:
    """The sentence says which, and what to send."""
    with pytest.raises(InputError) as refused:
        BOOK.resolve("", ["b", "a"])
    assert str(refused.value) == "Which course? You are in: b, a. Send `course`."
    assert refused.value.status == 422


@given(st.text(max_size=5) | IDS, st.lists(IDS, max_size=3))
def test_course_is_the_persons_when_anything_is_asked(asked: str, memberships: list[str]) -> None:
    """Theirs, or the default of those who have none; never a stranger's, never a guess."""
    mine = set(memberships) or {DEFAULT_ID}
    try:
        course = BOOK.resolve(asked, memberships)
    except InputError as error:
        refused = error.status == 404 if asked else len(mine) > 1
        assert refused
        assert asked not in mine
    else:
        assert course.id == asked or {course.id} == mine
        assert course.id in mine


@given(st.lists(IDS, max_size=2))
def test_strangers_course_answers_like_an_unknown_one_when_asked_for(mine: list[str]) -> None:
    """Nobody learns which courses there are."""
    said = []
    (stranger,) = [one for one in ("a", "b", "c") if one not in mine][:1]
    for asked in (stranger, "unknown"):
        with pytest.raises(NotFoundError) as refused:
            BOOK.resolve(asked, mine)
        said.append(str(refused.value).replace(repr(asked), "X"))
    assert said[0] == said[1]


def test_person_is_refused_when_the_only_course_has_no_file() -> None:
    """They do not fall back to the default course, which may allow more."""
    for asked in ("", DEFAULT_ID, "gone"):
        with pytest.raises(InputError, match=r"not set up here any more: gone\. Ask"):
            BOOK.resolve(asked, ["gone"])
    assert BOOK.resolve("", ["gone", "a"]).id == "a"


def test_course_does_not_count_when_it_is_over() -> None:
    """Last year's course does not make this year's ambiguous."""
    last = Course(id="last", ends=date(2026, 7, 31))
    book = CourseBook({"last": last, "this": Course(id="this")}, {})
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert book.resolve("", ["last", "this"], now=now).id == "this"
    assert book.resolve("last", ["last", "this"]).id == "last"
    for asked in ("", "last"):
        with pytest.raises(InputError, match=r"no running course .*: last ended on 2026-07-31\."):
            book.resolve(asked, ["last"], now=now)
