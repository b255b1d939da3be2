"""Turn each supported kind of file into texts with headers.

It knows the formats; it knows nothing of documents, folders or archives.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import frontmatter
from frontmatter.default_handlers import YAMLHandler
from yaml import YAMLError

from retrieval.errors import DocumentError
from retrieval.reading.files import File
from retrieval.reading.records import compose, field, parts_of
from retrieval.reading.sandbox import extract
from retrieval.reading.titles import heading_of, title_of

_TEXT_LIMIT = 1_000_000
_FILE_LIMIT = 20_000_000
_FIRST_NBFORMAT = 4
_FENCE = re.compile(r"`{3,}")


class Text(NamedTuple):
    """One text of a file, and the header that says what it is about."""

    header: Mapping[str, object]
    """As it was written, with keys in lower case and a title."""
    body: str
    name: str
    """The file, and which of its texts, for readers."""
    place: str
    """Where it stands on this machine, for error messages."""
    is_past_assignment: bool = False
    """Whether it has the header or the parts of one."""


def texts_of(file: File) -> Iterator[Text]:
    """Read the texts of a file: one, or one a line of a JSON Lines file.

    Raises:
        DocumentError: it is too large, malformed or empty.
    """
    return _READERS[file.suffix](file)


def _read_plain(file: File) -> Iterator[Text]:
    yield _whole(file, {"title": file.stem}, _decode(file.read(_TEXT_LIMIT), file.place))


def _read_markdown(file: File) -> Iterator[Text]:
    header, body = _parted(_decode(file.read(_TEXT_LIMIT), file.place), file.place)
    fields = _lowered(header)
    title = fields.get("title") or heading_of(body) or file.stem
    yield _whole(file, {**fields, "title": title}, body, is_past_assignment=bool(header))


def _parted(text: str, place: str) -> tuple[Mapping[str, object], str]:
    """Part a text from the header it begins with, if it begins with one."""
    handler = YAMLHandler()
    # Given a handler, the library takes what stands between any two rules for a header;
    # without one, it takes a text that begins with "{" for JSON.
    if not handler.detect(text.lstrip()):
        return {}, text
    try:
        header, body = frontmatter.parse(text, handler=handler)
    except (YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise DocumentError(f"{place!r} has a malformed YAML header ({reason}). Fix it.") from error
    # Between two rules that are no header stand words, which belong to the text.
    return (header, body) if header else ({}, text)


def _read_extract(file: File) -> Iterator[Text]:
    found = extract(file.suffix.removeprefix("."), file.read(_FILE_LIMIT), file.place)
    title = heading_of(found.text) or found.title or file.stem
    yield _whole(file, {"title": title}, found.text)


def _read_notebook(file: File) -> Iterator[Text]:
    notebook = _json_object(_decode(file.read(_FILE_LIMIT), file.place), file.place)
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if not isinstance(version, int) or version < _FIRST_NBFORMAT or not isinstance(cells, list):
        raise DocumentError(
            f"{file.place!r} is not a notebook of nbformat {_FIRST_NBFORMAT} or later "
            f"(nbformat is {version!r}). Open it in Jupyter and save it again."
        )
    language = _notebook_language(notebook)
    texts = [_cell_text(cell, language, file.place) for cell in cells]
    text = "\n\n".join(text for text in texts if text)
    if len(text.encode("utf-8", "replace")) > _TEXT_LIMIT:
        raise DocumentError(
            f"{file.place!r} holds more than 1 MB of text. Split it into several files."
        )
    header = {"title": heading_of(text) or file.stem, "language": language}
    yield _whole(file, header, text)


def _notebook_language(notebook: Mapping[str, object]) -> str:
    match notebook.get("metadata"):
        case {"language_info": {"name": str(language)}}:
            return language
        case {"kernelspec": {"language": str(language)}}:
            return language
    return ""


def _cell_text(cell: object, language: str, place: str) -> str:
    match cell:
        case {"cell_type": str(kind), "source": str(source)}:
            pass
        case {"cell_type": str(kind), "source": [*lines]} if all(isinstance(s, str) for s in lines):
            source = "".join(lines)
        case _:
            raise DocumentError(
                f"{place!r} has a cell without 'cell_type' or a text 'source'. "
                "Open it in Jupyter and save it again."
            )
    source = source.strip("\n")
    if kind != "code" or not source.strip():
        return source if kind == "markdown" else ""
    fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(source))])
    return f"{fence}{language}\n{source}\n{fence}"


def _read_lines(file: File) -> Iterator[Text]:
    seen: dict[str, int] = {}
    for number, line in file.lines(_TEXT_LIMIT):
        place = f"{file.place} line {number}"
        fields = _lowered(_json_object(_decode(line, place), place))
        key = field(fields, "id", place) or f"line {number}"
        if key in seen:
            raise DocumentError(
                f"{place!r} repeats the id {key!r} of line {seen[key]}. Make the ids unique."
            )
        seen[key] = number
        yield _read_row(fields, f"{file.name}, {key}", place)
    if not seen:
        raise DocumentError(f"{file.place!r} is empty. Write one JSON object a line.")


def _read_row(fields: Mapping[str, object], name: str, place: str) -> Text:
    """Read a text, or a past assignment of which each part is a field."""
    text = fields.get("text")
    # A table of both kinds has the column in every row, empty where there are parts.
    is_blank = text is None or (isinstance(text, str) and not text.strip())
    parts = parts_of(fields, place) if is_blank else {}
    if parts:
        opening, text = next(iter(parts.values())), compose(parts)
    elif isinstance(text, str):
        opening = text
    else:
        raise DocumentError(
            f"{place!r} has no string 'text', and no 'brief' or 'solution'. Each line needs one."
        )
    header = {**fields, "title": fields.get("title") or title_of(opening)}
    return Text(header, text, name, place, is_past_assignment=bool(parts))


def _whole(
    file: File, header: Mapping[str, object], body: str, *, is_past_assignment: bool = False
) -> Text:
    return Text(header, body, file.name, file.place, is_past_assignment=is_past_assignment)


def _lowered(header: Mapping[str, object]) -> dict[str, object]:
    return {str(key).lower(): value for key, value in header.items()}


def _decode(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{place!r} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from error


def _json_object(text: str, place: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{place!r} is not valid JSON ({error}). Fix it.") from error
    if not isinstance(value, dict):
        raise DocumentError(f"{place!r} is a JSON {type(value).__name__}. Write an object.")
    return cast("dict[str, object]", value)  # JSON keys are strings


_READERS: dict[str, Callable[[File], Iterator[Text]]] = {
    ".docx": _read_extract,
    ".ipynb": _read_notebook,
    ".jsonl": _read_lines,
    ".md": _read_markdown,
    ".pdf": _read_extract,
    ".txt": _read_plain,
}
