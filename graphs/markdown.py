"""Plans and code as Markdown, and Markdown as HTML, for whoever displays them in a notebook.

Text of students and models stays text: in what is written here it cannot open a cell, a tag or
an image. An image would be loaded by whoever looks at it, from wherever the text says.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    from graphs.plan import Plan, Requirements, Task

_SPAN = r"(?P<span>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))"
_MARKS = re.compile(rf"{_SPAN}|`+|[\\*_\[\]<&~]", re.S)
"""A span of code, which stays, or characters that mean something anywhere in a line."""
_OPENING = re.compile(r"\A(?=[-+>#=])|\A(?P<number>\d+)(?=[.)])")
"""What makes a block of a line when it stands first."""
_ACTIVE = re.compile(rf"\\.|{_SPAN}|`+|!(?=\[)|<", re.S)
"""The beginning of an image or a tag, or what is stepped over: escaped, or code."""
_ACTIVE_IN_CELL = re.compile(_ACTIVE.pattern.replace(".*?", "[^|]*?"), re.S)
"""The same where a span of code ends with its cell."""
_CELLS = ("td_open", "th_open")


def plan_as_markdown(plan: "Plan") -> str:
    """Write a plan as a table with its critical path marked, then what goes with it."""
    number = {task.id: str(place) for place, task in enumerate(plan.tasks, 1)}
    critical = set(plan.computed.critical_path)
    rows = [_row(task, number, is_critical=task.id in critical) for task in plan.tasks]
    path = " → ".join(number[step] for step in plan.computed.critical_path)
    needs = plan.requirements
    blocks = [
        f"### Plan: {plain(plan.title)}",
        "\n".join(["| # | task | after | minutes | tools |", "|:--|:--|:--|--:|:--|", *rows]),
        plain(" · ".join(describe(needs))),
        f"{plan.estimated_total_duration} minutes of work; \\* critical path {path}: "
        f"{plan.computed.critical_minutes} minutes at least.",
        bullets("To hand in", needs.deliverables),
        bullets("Risks", plan.risk_factors),
        bullets("Done when", plan.success_criteria),
    ]
    return "\n\n".join(filter(None, blocks))


def describe(needs: "Requirements") -> list[str]:
    """Say what an assignment asks for, fact by fact."""
    framework = f" with {needs.framework}" if needs.framework else ""
    asked = {
        "tests": needs.testing_required,
        "documentation": needs.documentation_required,
        "git": needs.git_required,
    }
    needed = [name for name, is_needed in asked.items() if is_needed]
    return [
        f"{needs.programming_language}{framework}",
        f"{needs.complexity} complexity",
        f"due {needs.deadline}" if needs.deadline else "no deadline given",
        *([f"needs {', '.join(needed)}"] if needed else []),
    ]


def bullets(heading: str, items: Iterable[str]) -> str:
    """Write a list of plain texts under a heading; nothing where there are none."""
    lines = [f"- {plain(item)}" for item in items]
    return "\n".join([f"**{heading}**", "", *lines]) if lines else ""


def plain(text: str) -> str:
    """Write text as one line of Markdown that shows as it is; only its spans of code are one."""
    line = " ".join(text.split())
    escaped = _MARKS.sub(lambda found: found["span"] or re.sub("(.)", r"\\\1", found[0]), line)
    return _OPENING.sub(lambda found: f"{found['number'] or ''}\\", escaped)


def harmless(markdown: str) -> str:
    """Take images and tags out of somebody's Markdown, and close the code they left open.

    An image becomes a link to it. What a parser takes for code stays as it is.
    """
    lines = re.split(r"\r\n|\r|\n", markdown)
    tokens = _parser().parse(f"{markdown}\n")
    for before, token in pairwise(tokens):
        if token.type == "inline" and token.map:
            active = _ACTIVE_IN_CELL if before.type in _CELLS else _ACTIVE
            block = slice(*token.map)
            lines[block] = active.sub(_escape, "\n".join(lines[block])).split("\n")
    if tokens and _is_left_open(tokens[-1]):
        lines.append(tokens[-1].markup)
    return "\n".join(lines)


def to_html(markdown: str) -> str:
    """Render Markdown without raw HTML, without images, and without links that run code."""
    return str(_parser().render(markdown))


def _row(task: "Task", number: dict[str, str], *, is_critical: bool) -> str:
    place = number[task.id]
    cells = (
        rf"**{place}** \*" if is_critical else place,
        plain(task.description),
        ", ".join(number[other] for other in task.dependencies) or "-",
        str(task.estimated_duration),
        plain(", ".join(task.tool_requirements)),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _escape(found: re.Match[str]) -> str:
    if found[0] in ("!", "<"):
        return f"\\{found[0]}"
    # In a span over several lines, a tag may begin a line, and with it a block of HTML.
    return found[0].replace("<", r"\<") if found["span"] and "\n" in found[0] else found[0]


def _is_left_open(token: "Token") -> bool:
    """Say whether code has no closing fence, and would swallow whatever is written below it."""
    start, end = token.map or (0, 0)
    return token.type == "fence" and token.content.count("\n") == end - start - 1


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
