"""A React component for a spec: a function component, with the inputs of the form it shows."""

import re

from agent.models.offline.code.lines import Written, file
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import ascii_words, camel, distinct, pascal, remark
from agent.models.offline.code.spec import Spec
from agent.models.offline.reading.words import STOP_WORDS

_FORMS = (
    (r"log-?in|log in|sign-?in", ("username", "password")),
    (r"sign-?up|registration|register", ("username", "email", "password")),
    (r"contact", ("name", "email", "message")),
    (r"search", ("query",)),
)
_ENDS = re.compile(r"\s(?:with|that|which|using|in)\b.*", re.S)
_ASKING = """
    react reactjs js jsx tsx javascript typescript component components functional function
    write create build implement generate code boilerplate simple basic small please
"""
_NO_PART = STOP_WORDS | frozenset(_ASKING.split())
_NAME_WORDS = 3


def write_react(spec: Spec, *, is_typed: bool) -> Written:
    """Write one component; a form gets the fields that are named, or the usual ones."""
    name = _name(spec.subject)
    names = _inputs(spec)
    lines = [
        f"/** {remark(spec.subject)} */",
        f"export default function {name}() {{",
        *(_handler(name, is_typed=is_typed) if names else []),
        "  return (",
        *(_form(names) if names else ["    <section>{/* TODO: what it shows. */}</section>"]),
        "  );",
        "}",
    ]
    if is_typed and names:
        lines = ['import type { FormEvent } from "react";', "", *lines]
    path = f"{name}.{'tsx' if is_typed else 'jsx'}"
    language = "typescript" if is_typed else "javascript"
    return Written(
        [file(path, language, lines)],
        f"The React component in {path} is JSX: put it into the `src` folder of a React project "
        "(`npm create vite@latest`), import it in the app and run `npm run dev`.",
    )


def _name(subject: str) -> str:
    for text in (_ENDS.sub("", subject), subject):
        words = [word for word in ascii_words(text) if word.lower() not in _NO_PART]
        if words:
            return pascal(" ".join(words[:_NAME_WORDS]))
    return "View"


def _inputs(spec: Spec) -> tuple[Field, ...]:
    """Return the fields of the form, none where there is no form."""
    subject = spec.subject.lower()
    if not re.search(r"\bforms?\b", subject):
        return ()
    named = next((one.fields for one in spec.entities if one.fields), ())
    usual = next((names for pattern, names in _FORMS if re.search(pattern, subject)), ("name",))
    return named or tuple(Field(name) for name in usual)


def _handler(name: str, *, is_typed: bool) -> list[str]:
    kind = ": FormEvent<HTMLFormElement>" if is_typed else ""
    return [
        f"  function handleSubmit(event{kind}) {{",
        "    event.preventDefault();",
        "    const values = Object.fromEntries(new FormData(event.currentTarget));",
        "    // TODO: check the values, send them, and show what went wrong.",
        f'    throw new Error(`TODO: {name} with ${{Object.keys(values).join(", ")}}`);',
        "  }",
        "",
    ]


def _form(fields: tuple[Field, ...]) -> list[str]:
    names = distinct(camel(field.name) for field in fields)
    lines = ["    <form onSubmit={handleSubmit}>"]
    for name, field in zip(names, fields, strict=True):
        lines += [
            "      <label>",
            f"        {field.name.replace('_', ' ').strip().capitalize()}",
            f'        <input name="{name}" type="{_kind(field)}" required />',
            "      </label>",
        ]
    return [*lines, '      <button type="submit">Send</button>', "    </form>"]


def _kind(field: Field) -> str:
    said = next((kind for kind in ("password", "email") if kind in field.name), "text")
    return {"int": "number", "float": "number", "date": "date", "bool": "checkbox"}.get(
        field.type, said
    )
