"""What a plan's tasks say: one order each, in the words of the brief, and fitting tools.

It knows the brief. It does not know past assignments: nothing of theirs can get into a task.
"""

import re

from agent.models.offline.reading.brief import NO_SUBJECT, Brief
from agent.models.offline.reading.languages import UNKNOWN, toolset
from agent.models.offline.reading.orders import LIMIT
from agent.models.offline.reading.words import cut, listed

_LABELS = {
    "javascript": "JavaScript",
    "ocaml": "OCaml",
    "typescript": "TypeScript",
    "cpp": "C++",
    "csharp": "C#",
    "sql": "SQL",
    "html": "HTML",
    "php": "PHP",
    "matlab": "MATLAB",
    "fastapi": "FastAPI",
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
    "numpy": "NumPy",
    "asp.net": "ASP.NET",
    "javafx": "JavaFX",
    "pandas": "pandas",
    "scikit-learn": "scikit-learn",
    "next.js": "Next.js",
}
_EDGES = (
    ("authentication", "wrong, missing and expired credentials"),
    ("web API", "wrong input and unknown ids"),
    ("external API", "no answer and a broken answer of the API"),
    ("money", "rounding and zero amounts"),
    ("parsing", "malformed and empty input"),
    ("concurrency", "two actions at the same time"),
    ("data", "a small sample worked out by hand"),
    ("machine learning", "shapes and a tiny example worked out by hand"),
    ("randomness", "a fixed random seed"),
    ("real time", "start, stop and start again"),
    ("user interface", "empty and wrong input"),
    ("recursion", "empty, single and cyclic input"),
)
_DOCUMENT = re.compile(
    r"^(?!.*submission).*(?:readme|report|\.pdf$|\.docx$|documentation|manual|write-?up|usage)",
    re.I,
)
_MOST_NAMES = 3
_SPELLED = frozenset(("R", "HTML", "SQL"))
"""Names that begin with the sound of a vowel all the same."""


def label(name: str) -> str:
    """Return how a language or framework is written.

    >>> label("cpp"), label("rust")
    ('C++', 'Rust')
    """
    return _LABELS.get(name, name.capitalize())


def say(kind: str, brief: Brief, language: str, framework: str) -> str:
    """Write the description of a task that is not implementation."""
    wording = {
        "project_setup": _setup(brief, language, framework),
        "requirements_analysis": _analysis(brief),
        "design": _design(brief),
        "data_preparation": _data(brief),
        "testing": _testing(brief, language),
        "performance": (
            f"Measure time and memory of {brief.subject} on large input, then mend the slowest step"
        ),
        "documentation": _documentation(brief),
        "final_review": _review(brief),
    }
    return cut(wording[kind], LIMIT)


def tools(kind: str, brief: Brief, language: str, framework: str) -> list[str]:
    """Return the tools that a task of some kind needs."""
    known = toolset(language)
    run = ["jupyter"] if brief.is_notebook else ["browser"] if brief.is_web else list(known.build)
    frame = [framework] if framework else []
    by_kind = {
        "project_setup": ["git", *known.setup, *(["jupyter"] if brief.is_notebook else []), *frame],
        "requirements_analysis": ["text editor"],
        "design": ["paper", "text editor"],
        "data_preparation": [*known.build, *(["pandas"] if language == "python" else [])],
        "core_implementation": ["code editor", *run, *frame, *_stores(brief)],
        "testing": run if brief.is_notebook else [*known.test],
        "performance": [*known.build, "profiler"],
        "documentation": ["markdown editor"],
        "final_review": [*known.lint, *(["git"] if brief.git else [])],
    }
    return list(dict.fromkeys(by_kind[kind]))


def _stores(brief: Brief) -> list[str]:
    return ["database"] if "database" in brief.topics else []


def _setup(brief: Brief, language: str, framework: str) -> str:
    name = f"{label(language)} " if language != UNKNOWN else ""
    with_framework = f" with {label(framework)}" if framework else ""
    if brief.has_starter:
        return (
            f"Get the starter code of {brief.subject} to run in {_article(name)} "
            f"{name}environment{with_framework}"
        )
    if language == UNKNOWN:
        return f"Choose the programming language and set up a project for {brief.subject}"
    return f"Set up {_article(name)} {name}project for {brief.subject}{with_framework}"


def _article(name: str) -> str:
    return "an" if name[:1] in tuple("AEIO") or name.strip() in _SPELLED else "a"


def _analysis(brief: Brief) -> str:
    count = len(brief.requirements)
    if brief.is_writing:
        return f"Read the brief of {brief.subject} and note what each part has to cover"
    if brief.is_idea and brief.subject == NO_SUBJECT and not count:
        return "Read the assignment text and list what to hand in, by when, and how it is graded"
    if brief.is_short or count <= 1:
        return (
            f"Settle what {brief.subject} leaves open: input, output, limits, and what counts "
            "as wrong input"
        )
    return (
        f"Go through the {count} requirements of {brief.subject}, mark what is unclear, and "
        "ask about it"
    )


def _design(brief: Brief) -> str:
    callables = [name for name in brief.names if "(" in name][:_MOST_NAMES]
    if callables:
        return f"Design {listed([f'`{name}`' for name in callables])} and the data they share"
    if "web API" in brief.topics:
        return f"Table every route of {brief.subject} with its input, output and status codes"
    if "database" in brief.topics:
        return (
            f"Sketch the tables and fields of {brief.subject}, and which part reads or changes them"
        )
    if brief.is_web:
        return f"Sketch the page of {brief.subject}, its states and what each action changes"
    return f"Sketch the parts of {brief.subject}, their inputs and outputs, and how they connect"


def _data(brief: Brief) -> str:
    if brief.data_files:
        names = listed([f"`{name}`" for name in brief.data_files[:_MOST_NAMES]])
        return f"Load {names} and check types, gaps and odd values"
    return f"Load the data of {brief.subject} and check types, gaps and odd values"


def _testing(brief: Brief, language: str) -> str:
    if brief.is_notebook:
        return f"Restart the kernel, run all cells of {brief.subject} and check each answer"
    edge = next(
        (edge for topic, edge in _EDGES if topic in brief.topics), "empty, wrong and extreme input"
    )
    callables = [f"`{name}`" for name in brief.names if "(" in name][:_MOST_NAMES]
    what = listed(callables) if callables else "each requirement"
    tool = toolset(language).test[0]
    by = f" with {tool}" if language != UNKNOWN and tool != "browser" else ""
    return f"Test {what} of {brief.subject}{by}, including {edge}"


def _documentation(brief: Brief) -> str:
    written = [name for name in brief.deliverables if _DOCUMENT.search(name)][:2]
    if brief.is_notebook and not written:
        return f"Write the explanations that {brief.subject} asks for beside the code"
    if brief.is_writing:
        return f"Write {_text_on(brief)} and name the sources of each claim"
    what = listed([_marked(name) for name in written]) if written else "a short README"
    return f"Write {what} for {brief.subject}: how to run it, what was decided and why"


def _text_on(brief: Brief) -> str:
    is_named = brief.is_idea and brief.subject != NO_SUBJECT
    return brief.subject if is_named else f"the text on {brief.subject}"


def _review(brief: Brief) -> str:
    what = listed([_marked(name) for name in brief.deliverables[:_MOST_NAMES]]) or (
        "the text" if brief.is_writing else "the source code"
    )
    start = "Check every requirement from a clean copy" if brief.requirements else "Check the work"
    return f"{start}, then hand in {what}"


def _marked(name: str) -> str:
    return f"`{name}`" if re.fullmatch(r"[\w./-]+[./][\w/]*", name) else name
