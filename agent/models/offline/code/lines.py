"""Lines of generated code: what every language's writer shares."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import remark
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Spec
from graphs.code import FileDraft


@dataclass(frozen=True, slots=True)
class Written:
    """Files of one language, and how they are run and tested."""

    files: list[FileDraft]
    run: str


def file(path: str, language: str, lines: Sequence[str]) -> FileDraft:
    """Make a file of lines."""
    return FileDraft(path=path, language=language, content="\n".join(lines).rstrip() + "\n")


def fallback(spec: Spec) -> tuple[Function, ...]:
    """Return the functions of a spec, or one where it names nothing at all."""
    return spec.functions or (Function("solve", (("text", "str"),), "", spec.subject),)


def todo_lines(spec: Spec, mark: str) -> list[str]:
    """Write the requirements as remarks behind a comment mark."""
    if not spec.todo:
        return []
    return [f"{mark} What it has to do:", *(f"{mark} - {remark(text)}" for text in spec.todo), ""]


def number(value: float) -> str:
    """Write a bound without needless decimals.

    >>> number(5.0), number(0.5)
    ('5', '0.5')
    """
    return str(int(value)) if value == int(value) else str(value)


def checks(field: Field) -> list[tuple[str, str]]:
    """Return what makes a value of a field wrong, as a kind with its bound, and how to say so."""
    found: list[tuple[str, str]] = []
    if field.type in {"int", "float"}:
        if field.least is not None:
            found.append((f"< {number(field.least)}", f"must be at least {number(field.least)}"))
        if field.most is not None:
            found.append((f"> {number(field.most)}", f"must be at most {number(field.most)}"))
    if field.type == "str":
        found.append(("empty", "must not be empty"))
        if field.most is not None:
            found.append(
                (
                    f"longer {number(field.most)}",
                    f"must have at most {number(field.most)} characters",
                )
            )
        if "email" in field.name:
            found.append(("email", "must be an e-mail address"))
    return found


def sample(field: Field, *, is_text_quoted: str = '"') -> str:
    """Return a value that a field accepts, as a literal most languages share."""
    if field.type == "int":
        return number(max(1.0, field.least or 1.0) if field.most is None else field.least or 0.0)
    if field.type == "float":
        return f"{max(1.5, field.least or 1.5) if field.most is None else field.least or 0.0:.1f}"
    text = "ada@example.org" if "email" in field.name else f"some {field.name.replace('_', ' ')}"
    limit = int(field.most) if field.most else len(text)
    return f"{is_text_quoted}{text[: max(1, limit)]}{is_text_quoted}"
