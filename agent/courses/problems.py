"""What is wrong in a course's file, in sentences: where, which key and value, what to do.

It knows TOML and pydantic's errors, not what a course is.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 80
_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_SENTENCES = {
    "bool_type": "this is neither true nor false.",
    "date_type": "this is no date.",
    "decimal_parsing": "this is no amount.",
    "decimal_type": "this is no amount.",
    "int_type": "this is no whole number.",
    "model_type": "this is no table.",
    "string_pattern_mismatch": "this does not fit.",
    "string_type": "this is no text in quotes.",
    "tuple_type": "this is no list.",
}
"""What pydantic says in the words of Python, said in those of TOML."""


class Problem(NamedTuple):
    """One thing that is wrong; problems sort by their line."""

    line: int
    """0 where the file as a whole is meant."""
    sentence: str


def suggest(word: str, known: Iterable[str]) -> str:
    """Ask whether the nearest known word was meant; empty where none is near."""
    nearest = get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {nearest[0]}?" if nearest else ""


def written(value: Any) -> str:
    """Write a value as it stands in a file, shortened."""
    if isinstance(value, (str, bool)):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, (list, tuple)):
        text = f"[{', '.join(map(written, value))}]"
    elif isinstance(value, dict):
        text = "{…}"
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def say(place: str, text: str, path: Sequence[str], value: Any, sentence: str) -> Problem:
    """Write one problem: file, line where the key stands in it, key, value, what to do."""
    line = line_of(text, path) or line_of(text, path[:1])
    where = f"{place}:{line}" if line else place
    return Problem(line, f"{where}: {'.'.join(path)} = {written(value)}: {sentence}")


def say_unreadable(place: str, text: str, error: ValueError) -> str:
    """Write what keeps a text from being TOML."""
    found = _WHERE.search(str(error))
    line = (found and found[1]) or text.rstrip().count("\n") + 1
    what = _WHERE.sub("", str(error))
    return f"{place}:{line}: this is not TOML ({what}). Write each key as: name = value."


def say_invalid(place: str, text: str, model: type[BaseModel], error: ErrorDetails) -> Problem:
    """Write one of pydantic's errors about a file."""
    path = [str(part) for part in error["loc"] if not isinstance(part, int)]
    if error["type"] == "extra_forbidden":
        sentence = _about_unknown(path, model)
    else:
        sentence = _about_value(path, model, error)
    return say(place, text, path, error["input"], sentence)


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line on which a key's statement begins, or 0.

    The first beginning of the text that is TOML and holds the key ends with that statement,
    which begins where the longest shorter one ends.
    """
    lines, start = text.split("\n"), 0
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:end]) + "\n")
        except ValueError:
            continue
        if _holds(document, path):
            return start + 1
        start = end
    return 0


def _holds(document: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def _about_unknown(path: list[str], model: type[BaseModel]) -> str:
    *tables, key = path
    inner = _tables_of(model)
    if tables and key in model.model_fields:
        return f"this is no key of [{tables[0]}]. Move the line above [{tables[0]}]."
    for name, table in inner.items():
        if not tables and key in table.model_fields:
            return f"this key belongs to a table. Write it below a line [{name}]."
    known = [name for name in (inner[tables[0]] if tables else model).model_fields if name != "id"]
    return f"there is no such key.{suggest(key, known)} Known: {', '.join(known)}."


def _about_value(path: list[str], model: type[BaseModel], error: ErrorDetails) -> str:
    *tables, key = path
    table = _tables_of(model)[tables[0]] if tables else model
    field = table.model_fields[key]
    if error["type"] == "value_error":
        return str(error.get("ctx", {})["error"])
    if error["type"] == "literal_error":
        known = get_args(field.annotation)
        return f"use one of {', '.join(known)}.{suggest(str(error['input']), known)}"
    sentence = _SENTENCES.get(error["type"], f"{error['msg'].lower()}.")
    if not field.examples:
        return f"{sentence} Write a line [{key}], and its keys below."
    return f"{sentence} Example: {key} = {written(field.examples[0])}"


def _tables_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
