"""The courses of one installation: a folder of `ID.toml`, and one course that is always there.

It reads the folder once and knows nobody; who is in which course is told to it.
"""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from agent.courses.course import Course, parse_course
from agent.courses.problems import say
from agent.errors import InputError, NotFoundError, SettingsError

DEFAULT_ID = "default"
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class CourseBook:
    """Every course, by its id."""

    courses: Mapping[str, Course]
    wordings: Mapping[str, str]
    """The text of each course that has a wording of consent of its own."""

    @classmethod
    def open(cls, folder: Path | None = None) -> "CourseBook":
        """Read the courses of a folder, beside the default course.

        A file `default.toml` in the folder takes the embedded one's place.

        Raises:
            SettingsError: the folder or a file is wrong; one line for each problem.
        """
        embedded = (files("agent.courses") / f"{DEFAULT_ID}{_SUFFIX}").read_text("utf-8")
        courses = {DEFAULT_ID: parse_course(DEFAULT_ID, embedded, f"{DEFAULT_ID}{_SUFFIX}")}
        wordings: dict[str, str] = {}
        problems: list[str] = []
        for path in _course_files(folder) if folder else ():
            try:
                course, wordings[path.stem] = read_course(path)
                courses[course.id] = course
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(courses, wordings)

    def get(self, course_id: str) -> Course:
        """Return a course, to somebody who may know every course.

        Raises:
            NotFoundError: there is none of this id; names those that there are.
        """
        try:
            return self.courses[course_id]
        except KeyError:
            raise NotFoundError(
                f"There is no course {reprlib.repr(course_id)}. Known: {', '.join(self.courses)}."
            ) from None

    def wording_of(self, course_id: str) -> str:
        """Return a course's own wording of consent; empty: it uses the assistant's."""
        return self.wordings.get(course_id, "")

    def of_local(self, asked: str) -> Course:
        """Return the course that the one person of a local installation means.

        On one's own machine a course may be no more than a label on past assignments; what has
        no file is decided as in the default course.

        Raises:
            InputError: it cannot be the name of a course.
        """
        if asked in self.courses:
            return self.courses[asked]
        default = self.courses[DEFAULT_ID]
        if not asked:
            return default
        try:
            return Course.model_validate({**default.model_dump(), "id": asked})
        except ValidationError:
            raise InputError(
                f"{reprlib.repr(asked)} cannot be the name of a course. Use lower-case letters, "
                "digits and hyphens, 64 at most."
            ) from None

    def taught_by(self, name: str) -> list[str]:
        """Return the ids of the courses that a person teaches."""
        return [course.id for course in self.courses.values() if name in course.teachers]

    def resolve(
        self, asked: str, memberships: Sequence[str], *, now: datetime | None = None
    ) -> Course:
        """Return the one course that a request belongs to.

        Args:
            asked: the course that the request names; empty: the only one of the person.
            memberships: the courses of the person; whoever has none is in the default course.
            now: where given, courses that have not begun or are over do not count.

        Raises:
            NotFoundError: the course asked for is unknown, or not the person's.
            InputError: the person has to choose, or no course of theirs is running.
        """
        mine = self._existing(memberships)
        if asked and asked not in mine:
            raise NotFoundError(
                f"There is no course {reprlib.repr(asked)} of yours. Yours: {', '.join(mine)}."
            )
        meant = [mine[asked]] if asked else list(mine.values())
        closed = {course.id: why for course in meant if now and (why := course.why_closed(now))}
        running = [course for course in meant if course.id not in closed]
        if not running:
            raise InputError(f"There is no running course to ask in: {', '.join(closed.values())}.")
        if len(running) > 1:
            names = ", ".join(course.id for course in running)
            raise InputError(f"Which course? You are in: {names}. Send `course`.")
        return running[0]

    def _existing(self, memberships: Sequence[str]) -> dict[str, Course]:
        """Return a person's courses; nobody gets the default's freedom by a file that is gone."""
        ids = memberships or [DEFAULT_ID]
        mine = {one: self.courses[one] for one in ids if one in self.courses}
        if not mine:
            raise InputError(
                f"Your course is not set up here any more: {', '.join(ids)}. "
                "Ask your teacher, or whoever runs this service."
            )
        return mine


def find_folder(data_dir: Path, given: Path | None = None) -> Path | None:
    """Return the folder that was named, else `courses` in the data directory if it is there."""
    usual = data_dir / "courses"
    return given or (usual if usual.is_dir() else None)


def read_course(path: Path) -> tuple[Course, str]:
    """Read one course and its own wording of consent, which may be empty.

    Raises:
        SettingsError: one line for each problem.
    """
    text = _read(path, str(path))
    course = parse_course(path.stem, text, str(path))
    if not course.consent_text:
        return course, ""
    beside = path.with_name(course.consent_text)
    try:
        wording = _read(beside, str(beside))
    except SettingsError as error:
        raise SettingsError(_about_wording(path, text, course, str(error))) from None
    if not wording.strip():
        raise SettingsError(_about_wording(path, text, course, f"{beside}: it is empty. Fill it."))
    return course, wording


def problems_in(folder: Path | None, course_id: str = "") -> list[str]:
    """Return every problem of a folder's courses, or of one of them.

    Raises:
        NotFoundError: there is no file of this course.
        SettingsError: the folder cannot be read.
    """
    paths = {path.stem: path for path in (_course_files(folder) if folder else ())}
    if course_id and course_id not in {DEFAULT_ID, *paths}:
        known = ", ".join(sorted({DEFAULT_ID, *paths}))
        raise NotFoundError(f"There is no course {reprlib.repr(course_id)}. Known: {known}.")
    problems: list[str] = []
    for path in [path for one, path in paths.items() if course_id in ("", one)]:
        try:
            read_course(path)
        except SettingsError as error:
            problems += str(error).splitlines()
    return problems


def _course_files(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise SettingsError(
            f"The folder of courses {folder} cannot be read ({error.strerror}). Make it, or name "
            "another."
        ) from None
    return [path for path in found if path.suffix == _SUFFIX and not path.name.startswith(".")]


def _read(path: Path, place: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{place}: it cannot be read ({error.strerror}).") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"{place}:{line}: it is not UTF-8. Save it as UTF-8.") from None


def _about_wording(path: Path, text: str, course: Course, sentence: str) -> str:
    return say(str(path), text, ["consent_text"], course.consent_text, sentence).sentence
