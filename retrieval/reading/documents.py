"""Read past assignments and course files as documents.

It knows file formats; it knows nothing of chunks, embeddings or the index.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast
from unicodedata import normalize
from uuid import UUID, uuid5

import frontmatter
from frontmatter.default_handlers import YAMLHandler
from yaml import YAMLError

from retrieval.errors import DocumentError
from retrieval.titles import heading_of

SUPPORTED = (".ipynb", ".jsonl", ".md", ".txt")
"""The suffixes that `read_documents` reads."""

_NAMESPACE = UUID("6f1a54d3-5a0c-4c0e-9a43-0f6f2d5f3b8e")
_TEXT_LIMIT = 1_000_000
_NOTEBOOK_LIMIT = 20_000_000
_FIELD_LIMIT = 200
_LINE_LIMIT = 80
_FIRST_NBFORMAT = 4
_FENCE = re.compile(r"`{3,}")
_BRIEF = re.compile(r"^##[ \t]+brief[ \t#]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One readable text and what is known about it; an unknown field is an empty string."""

    document_id: str
    """The same for the same course and file name (or JSON Lines id) on every machine."""
    title: str
    text: str
    """The body without its header, with `\\n` line ends."""
    name: str
    """The file as a reader knows it, relative to the folder that was read."""
    language: str = ""
    framework: str = ""
    topic: str = ""
    complexity: str = ""
    course: str = ""
    """The course whose members may see it; empty for everyone."""
    is_past_assignment: bool = False
    """Whether its `##` headings are sections: Brief, Plan, Risks, Success criteria, Solution."""


def read_documents(path: Path, *, course: str = "") -> Iterator[Document]:
    """Read one file, or every supported file of a folder in sorted order.

    Within a folder, READMEs, hidden files, symbolic links and other suffixes are skipped.
    A course that a file names itself wins over `course`.

    Raises:
        DocumentError: a file is missing, unsupported, too large, malformed or empty.
    """
    if not path.exists():
        raise DocumentError(f"{str(path)!r} does not exist. Check the path.")
    if path.is_dir():
        return _read_folder(path, course)
    if path.suffix.lower() not in SUPPORTED:
        raise DocumentError(f"{str(path)!r} is not supported. Use one of: {', '.join(SUPPORTED)}.")
    return _read_file(path, path.name, path.resolve().parent.name, course)


def document_id(key: str, *, course: str = "") -> str:
    """Return the id of a document by what stays the same about it: its place in its course.

    Args:
        key: The name of the folder that was added and the path below it, `labs/week1/a.md`; for
            a line of a jsonl file with `, ID` behind it.
        course: The course it belongs to; empty: shared.
    """
    return str(uuid5(_NAMESPACE, f"{course}\0{key}"))


class _Origin(NamedTuple):
    """Where a document comes from."""

    place: str
    """The path on this machine, for error messages."""
    name: str
    """The path below the folder that was added, for readers."""
    root: str
    """The name of that folder: files of the same name in two folders are two documents."""
    course: str


def _read_folder(folder: Path, course: str) -> Iterator[Document]:
    files = [path for path in sorted(folder.rglob("*")) if _is_wanted(path, folder)]
    if not files:
        raise DocumentError(
            f"{str(folder)!r} holds no document. Add files of: {', '.join(SUPPORTED)}."
        )
    for path in files:
        name = path.relative_to(folder).as_posix()
        yield from _read_file(path, name, folder.resolve().name, course)


def _is_wanted(path: Path, folder: Path) -> bool:
    return (
        path.suffix.lower() in SUPPORTED
        and path.stem.lower() != "readme"
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_symlink()
        and path.is_file()
    )


def _read_file(path: Path, name: str, root: str, course: str) -> Iterator[Document]:
    origin = _Origin(str(path), _shown(name), _shown(root), course)
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        yield from _read_lines(path, origin)
    elif suffix == ".ipynb":
        yield _read_notebook(path, origin)
    elif suffix == ".md":
        yield _read_markdown(path, origin)
    else:
        yield _document(origin, {"title": _stem(path)}, _read_text(path, _TEXT_LIMIT))


def _read_markdown(path: Path, origin: _Origin) -> Document:
    text = _read_text(path, _TEXT_LIMIT)
    try:
        # The handler is given: by itself the library takes a text that begins with "{" for JSON.
        header, body = frontmatter.parse(text, handler=YAMLHandler())
    except (YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise DocumentError(
            f"{origin.place!r} has a malformed YAML header ({reason}). Fix it."
        ) from error
    title = header.get("title") or heading_of(body) or _stem(path)
    return _document(origin, {**header, "title": title}, body, is_past_assignment=bool(header))


def _read_notebook(path: Path, origin: _Origin) -> Document:
    notebook = _json_object(_read_text(path, _NOTEBOOK_LIMIT), origin.place)
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if not isinstance(version, int) or version < _FIRST_NBFORMAT or not isinstance(cells, list):
        raise DocumentError(
            f"{origin.place!r} is not a notebook of nbformat {_FIRST_NBFORMAT} or later "
            f"(nbformat is {version!r}). Open it in Jupyter and save it again."
        )
    language = _notebook_language(notebook)
    texts = [_cell_text(cell, language, origin.place) for cell in cells]
    text = "\n\n".join(text for text in texts if text)
    if len(text.encode("utf-8", "replace")) > _TEXT_LIMIT:
        raise DocumentError(
            f"{origin.place!r} holds more than 1 MB of text. Split it into several files."
        )
    header = {"title": heading_of(text) or _stem(path), "language": language}
    return _document(origin, header, text)


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


def _read_lines(path: Path, origin: _Origin) -> Iterator[Document]:
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        place = f"{path} line {number}"
        fields = _json_object(_decode(line, place), place)
        text = fields.get("text")
        if not isinstance(text, str):
            raise DocumentError(f"{place!r} has no string 'text'. Each line needs one.")
        key = _field(fields, "id", place) or f"line {number}"
        if key in seen:
            raise DocumentError(
                f"{place!r} repeats the id {key!r} of line {seen[key]}. Make the ids unique."
            )
        seen[key] = number
        title = fields.get("title") or heading_of(text) or _first_line(text)
        named = origin._replace(place=place, name=f"{origin.name}, {key}")
        yield _document(named, {**fields, "title": title}, text)
    if not seen:
        raise DocumentError(f"{origin.place!r} is empty. Write one JSON object a line.")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(_TEXT_LIMIT + 1):
                number += 1
                if len(line) > _TEXT_LIMIT:
                    raise DocumentError(
                        f"'{path} line {number}' is larger than 1 MB. Split its text."
                    )
                if line.strip():
                    yield number, line
    except OSError as error:
        raise _unreadable(path, error) from error


def _document(
    origin: _Origin, header: Mapping[str, object], text: str, *, is_past_assignment: bool = False
) -> Document:
    place = origin.place
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        raise DocumentError(f"{place!r} is empty. Write some text into it, or leave it out.")
    if not _is_text(text):
        raise DocumentError(f"{place!r} is not text (it holds NUL or broken characters). Clean it.")
    course = _field(header, "course", place) or origin.course
    return Document(
        document_id=document_id(f"{origin.root}/{origin.name}", course=course),
        title=_field(header, "title", place) or origin.name,
        text=text,
        name=origin.name,
        language=_field(header, "language", place).lower(),
        framework=_field(header, "framework", place).lower(),
        topic=_field(header, "topic", place),
        complexity=_field(header, "complexity", place).lower(),
        course=course,
        is_past_assignment=is_past_assignment or _BRIEF.search(text) is not None,
    )


def _field(header: Mapping[str, object], key: str, place: str) -> str:
    value = header.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise DocumentError(
            f"{place!r}: {key!r} is a {type(value).__name__}. Write one short text."
        )
    text = " ".join(str(value).split())
    if len(text) > _FIELD_LIMIT or not _is_text(text):
        raise DocumentError(
            f"{place!r}: {key!r} is not a short text. Write at most {_FIELD_LIMIT} characters."
        )
    return text


def _read_text(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > limit:
        raise DocumentError(
            f"{str(path)!r} is larger than {limit // 1_000_000} MB. Split it into several files."
        )
    return _decode(data, str(path))


def _unreadable(path: Path, error: OSError) -> DocumentError:
    return DocumentError(
        f"{str(path)!r} cannot be read ({error.strerror}). Check the file and its rights."
    )


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


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _LINE_LIMIT else f"{line[: _LINE_LIMIT - 1]}…"


def _stem(path: Path) -> str:
    return _shown(path.stem)[:_FIELD_LIMIT]


def _shown(name: str) -> str:
    """Spell a file name the same on every file system."""
    return normalize("NFC", name.encode("utf-8", "replace").decode())


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
