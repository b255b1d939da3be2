"""Past assignments as a planner reads them: their tasks, what those really took, their lessons.

It knows the table of a past plan. It does not know the brief that is to be planned.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.models.offline.reading.blocks import Entry
from agent.models.offline.reading.outline import cells, outline
from agent.models.offline.reading.requirements import find_requirements
from agent.models.offline.reading.words import clean, overlap, plain, sentences, terms
from graphs.plan import MAX_MINUTES

CORE = frozenset(("core_implementation", "integration", "debugging"))
_COLUMNS = 6
_LEAST_SIZE = 3
_LESSON = 220
_MOST_ROWS = 40
_SAME_LANGUAGE = 0.15
_RANK = 0.3
_ALIKE = 0.35
_ALIKE_WORDS = 4
_ALIKE_IN_TITLE = 0.2
_TITLE_WORDS = 2
_NUMBER = re.compile(r"\d{1,5}")


@dataclass(frozen=True, slots=True)
class PastTask:
    """One row of a past plan."""

    id: str
    task_type: str
    after: tuple[str, ...]
    minutes: int
    """What it really took; the estimate where nobody wrote that down."""


@dataclass(frozen=True, slots=True)
class PastAssignment:
    """A past assignment, put together from the passages that were found of it."""

    title: str
    language: str
    tasks: tuple[PastTask, ...]
    lessons: tuple[str, ...]
    size: int
    """About how many things it asked for."""
    words: frozenset[str]

    def minutes(self, task_types: Iterable[str]) -> int:
        """Return what the tasks of some kinds took together."""
        wanted = set(task_types)
        return sum(task.minutes for task in self.tasks if task.task_type in wanted)


def past_assignments(entries: Sequence[Entry]) -> list[PastAssignment]:
    """Return the past assignments of a prompt, best first, each of them once.

    Two documents of the same title are two assignments.
    """
    found: dict[tuple[str, str], PastAssignment] = {}
    for entry in entries:
        read = _read(entry)
        document = entry.place.rpartition(",")[0] or entry.place
        known = found.get((entry.title, document))
        found[entry.title, document] = (
            read
            if known is None
            else replace(
                known,
                tasks=known.tasks or read.tasks,
                lessons=(*known.lessons, *read.lessons),
                size=max(known.size, read.size),
                words=known.words | read.words,
            )
        )
    return list(found.values())


def by_nearness(
    past: Sequence[PastAssignment], words: frozenset[str], language: str
) -> list[PastAssignment]:
    """Order the past assignments that have a plan by how near they are to a brief."""

    def nearness(ranked: tuple[int, PastAssignment]) -> float:
        rank, one = ranked
        is_same = bool(language) and one.language == language
        return overlap(one.words, words) + _RANK / (rank + 1) + _SAME_LANGUAGE * is_same

    planned = [(rank, one) for rank, one in enumerate(past) if one.tasks]
    return [one for _, one in sorted(planned, key=nearness, reverse=True)]


def is_near(one: PastAssignment, words: frozenset[str]) -> bool:
    """Say whether a past assignment is about the same kind of thing as a brief.

    Either much of the brief stands in it, or a good part of the brief and its own title.
    """
    share = overlap(words, one.words)
    has_title = len(words.intersection(terms(one.title))) >= _TITLE_WORDS
    is_alike = share >= _ALIKE and len(words & one.words) >= _ALIKE_WORDS
    return is_alike or (has_title and share >= _ALIKE_IN_TITLE)


def _read(entry: Entry) -> PastAssignment:
    tasks = _tasks(entry.plan)
    core = sum(task.task_type in CORE for task in tasks)
    asked = len(find_requirements(outline(entry.passage))) if "brief" in entry.section else 0
    return PastAssignment(
        title=entry.title,
        language=entry.language,
        tasks=tasks,
        lessons=_lessons(entry),
        size=max(_LEAST_SIZE, asked, 2 * core),
        words=frozenset(terms(f"{entry.title} {entry.passage}")),
    )


def _tasks(table: str) -> tuple[PastTask, ...]:
    tasks = []
    for line in table.splitlines()[:_MOST_ROWS]:
        row = cells(line) if line.strip().startswith("|") else []
        if len(row) < _COLUMNS or row[0].lower() == "id" or not row[0].strip("-: "):
            continue
        minutes = [int(number) for cell in row[4:6] for number in _NUMBER.findall(cell)[:1]]
        if minutes:
            after = tuple(
                part
                for part in (p.strip() for p in row[3].split(","))
                if part and part not in ("-", "\u2013")
            )
            took = min(MAX_MINUTES, max(1, minutes[-1]))
            tasks.append(PastTask(row[0], row[1].lower().replace(" ", "_"), after, took))
    return tuple(tasks)


def _lessons(entry: Entry) -> tuple[str, ...]:
    if "risk" not in entry.section:
        return ()
    bullets = [item.text for item in outline(entry.passage) if item.kind in {"bullet", "number"}]
    return tuple(
        clean(plain(text)) if len(text) <= _LESSON else sentences(text)[0] for text in bullets
    )
