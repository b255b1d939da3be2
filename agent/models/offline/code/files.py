"""Code drafted by rules: a skeleton in the language asked for, and honest notes about it.

It chooses the writer of a language and the past solution worth a look. It knows no language itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from agent.models.offline.answers.quoting import GENERIC, unmarked
from agent.models.offline.code.c import write_c, write_cpp
from agent.models.offline.code.java import write_java
from agent.models.offline.code.lines import Written
from agent.models.offline.code.naming import remark
from agent.models.offline.code.python import write_python
from agent.models.offline.code.react import write_react
from agent.models.offline.code.script import write_script
from agent.models.offline.code.spec import Spec, read_spec
from agent.models.offline.code.stubs import write_stub
from agent.models.offline.code.systems import write_go, write_rust, write_sql
from agent.models.offline.plans.tasks import label
from agent.models.offline.reading.blocks import Asked, Entry
from agent.models.offline.reading.languages import TOOLSETS
from agent.models.offline.reading.outline import outline
from agent.models.offline.reading.words import cut, listed, overlap, sentences, terms
from graphs.code import CodeDraft

_WRITERS: Mapping[str, Callable[[Spec], Written]] = {
    "python": write_python,
    "javascript": lambda spec: write_script(spec, is_typed=False),
    "typescript": lambda spec: write_script(spec, is_typed=True),
    "java": write_java,
    "c": write_c,
    "cpp": write_cpp,
    "rust": write_rust,
    "go": write_go,
    "sql": write_sql,
}
_WRITTEN_FRAMEWORKS = frozenset(("", "fastapi", "flask", "express", "numpy", "pandas"))
_COMPONENT = re.compile(r"\b(?:components?|forms?|page|screen|modal|button|widget|navbar)\b", re.I)
_UNTYPED = frozenset(("bash", "html", "r"))
_FITS = 0.2
_LANGUAGE_NAMES = frozenset(word for name in TOOLSETS for word in terms(name))
_DEFINED = re.compile(
    (
        r"^\s*(?:export\s+)?(?:async\s+)?(?:pub\s+)?(?:def|class|function|fn|func|struct"
        r"|interface|type|impl|record)\s+(?:\([^)]*\)\s*)?([A-Za-z_]\w{2,40})"
    ),
    re.M,
)
_MOST_NAMES = 4
_SAID = 220
_READ = 4_000


def draft_code(asked: Asked) -> CodeDraft:
    """Write a skeleton for the request of a prompt."""
    spec = read_spec(asked)
    language, language_note = _language(spec, asked.entries)
    is_component = spec.technology.framework == "react" and bool(_COMPONENT.search(spec.subject))
    if is_component:
        written = write_react(spec, is_typed=language == "typescript")
    elif language in _WRITERS:
        written = _WRITERS[language](spec)
    else:
        written = write_stub(spec, language)
    notes = [
        "This is a skeleton made by rules: no language model was called for it. Names, fields and "
        "routes are those of your request; everything marked TODO is yours to write.",
        written.run,
    ]
    if language_note:
        notes.append(language_note)
    if not is_component and spec.technology.framework not in _WRITTEN_FRAMEWORKS:
        notes.append(
            f"What is special to {label(spec.technology.framework)} is left to you; the "
            f"files are plain {label(language)}."
        )
    notes += [] if is_component or language in _UNTYPED else _left(spec)
    notes += _past_notes(asked, language)
    return CodeDraft(files=written.files, notes=notes)


def _language(spec: Spec, entries: Sequence[Entry]) -> tuple[str, str]:
    named = spec.technology.language
    if spec.unwritten:
        return named or "python", (
            f"{spec.unwritten} is not a language that can be written here, so this is "
            f"{label(named or 'python')}; name another one to get it."
        )
    if named:
        return named, ""
    lender = next(
        (one for one in entries if one.language in _WRITERS and one.language != "sql"), None
    )
    if lender is None:
        return (
            "python",
            "No programming language was named, so this is Python; name another one to get it.",
        )
    return lender.language, (
        f"No programming language was named, so this is {label(lender.language)}, as in the past "
        f"assignment [{lender.number}]; name another one to get it."
    )


def _left(spec: Spec) -> list[str]:
    bounded = [
        field.name
        for one in spec.entities
        for field in one.fields
        if field.type in {"int", "float"}
    ]
    if bounded:
        names = listed(list(dict.fromkeys(bounded))[:_MOST_NAMES])
        return [
            f"Types and bounds are guessed from the names of the fields; check them for {names}."
        ]
    if any(not function.result for function in spec.functions):
        return [
            (
                "Where the request does not say what comes back, the result type is left open; "
                "choose it first."
            )
        ]
    return []


def _past_notes(asked: Asked, language: str) -> list[str]:
    """Say which past solutions are worth a look, and for what."""
    wanted = [
        word
        for word in terms(f"{asked.request[:_READ]} {asked.assignment[:_READ]}")
        if word not in GENERIC and word not in _LANGUAGE_NAMES
    ]
    notes, told = [], set()
    for entry in asked.entries:
        text = entry.solution or (entry.passage if "solution" in entry.section else "")
        near = overlap(wanted, terms(f"{entry.title} {text}"))
        if not text or entry.title in told or near < _FITS:
            continue
        told.add(entry.title)
        items = outline(text)
        names = list(
            dict.fromkeys(
                name
                for item in items
                if item.kind == "code"
                for name in _DEFINED.findall(item.text)
            )
        )
        prose = next((item.text for item in items if item.kind == "paragraph"), "")
        said = cut(unmarked(sentences(prose)[0]), _SAID) if sentences(prose) else ""
        look = (
            f"look at {listed([f'`{name}`' for name in names[:_MOST_NAMES]])}"
            if names
            else "read how it goes about it"
        )
        idea = f" Its idea: “{said}”" if said else ""
        other = "" if entry.language in {"", language} else f" (in {label(entry.language)})"
        notes.append(
            f"[{entry.number}] {remark(entry.title)}{other}: {look}; take the shape, not "
            f"the lines.{idea}"
        )
    return notes[:2] or ["No past solution that was found is near enough to learn from here."]
