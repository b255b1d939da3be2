"""The specification's JSON Lines on their way in: what `agent.recording.export` and others write.

What a line states is kept as it is, the cost above all; its texts are redacted by their forms,
because nobody here knows the people in them. Nothing is sent to LangSmith.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, BinaryIO, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.database import Database, insert_into
from agent.errors import ErasedError, InputError
from agent.prices import NANO
from agent.privacy.redaction import Redactor
from agent.privacy.sealing import admit, seal_values, was_erased
from agent.recording.personal import erase_runs
from agent.recording.run_store import ERASED, Run
from agent.recording.shapes import WORD, shape
from agent.recording.texts import storable

LONGEST_LINE = 10_000_000
"""Bytes."""
_AT_ONCE = 500
"""Rows in one transaction; SQLite lets nobody else write meanwhile, some 50 ms."""
_SAID = 20
"""Bad lines that are told one by one."""
_IDS = uuid.UUID("6f1c7e0e-9d5a-5c8e-8a55-0d9f3f1c2b41")
"""The name space of ids that are made of a line's content."""
_CATEGORIES = {"code_generation": "codegen"}
"""Other names of a category."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be seen")
    return text


def _utc(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("is no time with its zone; write it like 2024-01-01T12:00:00Z")
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years that can be stored") from None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
"""An id or a name, kept as it is."""
Count = Annotated[int, Field(ge=0, lt=2**31)]
Time = Annotated[str, AfterValidator(_utc)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _PromptFile(BaseModel):
    model_config = ConfigDict(strict=True)

    version: Word
    digest: Word | None = None


class _Metadata(BaseModel):
    """What `metadata` may hold; of the specification are the first two, other keys are welcome."""

    model_config = ConfigDict(strict=True, extra="allow")

    assignment_id: Word | None = None
    task_type: Word | None = None
    run_id: Word | None = None
    parent_run_id: Word | None = None
    root_run_id: Word | None = None
    trace_id: Word | None = None
    origin: Word | None = None
    name: Word | None = None
    tags: list[str] | None = None
    status: Literal["started", "done", "error", "cancelled", "incomplete", "abandoned"] | None = (
        None
    )
    paused: bool | None = None
    error: str | None = None
    ended_at: Time | None = None
    latency_ms: Milliseconds | None = None
    first_token_ms: Milliseconds | None = None
    course: Word | None = None
    provider: Word | None = None
    model_asked: Word | None = None
    model_served: Word | None = None
    model_version: Word | None = None
    parameters: dict[str, Any] | None = None
    finish_reason: Word | None = None
    cache: Word | None = None
    usage_details: dict[str, Any] | None = None
    cost_nano_usd: int | None = None
    price: dict[str, Any] | None = None
    price_reference: Word | None = None
    repriced: list[dict[str, Any]] | None = None
    left_out: list[str] | None = None
    content: Word | None = None
    prompt: _PromptFile | None = None
    attempt: Count | None = None


class Interaction(BaseModel):
    """One line: the specification's object, whose keys have to be there, unknown ones as null."""

    model_config = ConfigDict(strict=True, extra="forbid")

    timestamp: Time
    session_id: Word
    user_id: Word
    model: Word | None
    prompt_type: Word | None
    input_tokens: Count | None
    output_tokens: Count | None
    total_cost: Annotated[float, Field(ge=0, le=1_000_000)] | None
    prompt: str | None
    response: str | None
    metadata: _Metadata


@dataclass(slots=True)
class Imported:
    """What became of the lines of a file."""

    read: int = 0
    written: int = 0
    already_here: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    """What is wrong with the lines that were skipped; of many, the first ones."""


def import_lines(database: Database, lines: BinaryIO, *, skip_bad: bool = False) -> Imported:
    """Write the runs of a file; those that are here already stay.

    Every line is read, redacted and sealed before the first is written, and waits in a file that
    nobody else can open. Then they are written some at a time, so that others can write too;
    where that breaks off, importing the same file again writes the rest.

    Raises:
        InputError: a line is not the specification's object, so that nothing was written; with
            `skip_bad` it is left out.
        StorageError: the database refuses.
    """
    report = Imported()
    if lines.seekable() and not skip_bad:
        start = lines.tell()
        for number, line in _numbered(lines):  # reading is quick, redacting is not
            try:
                _read(line)
            except ValueError as error:
                raise _refusal(number, error) from None
        lines.seek(start)
    with TemporaryFile("w+", encoding="utf-8") as ready:
        for number, line in _numbered(lines):
            report.read += 1
            try:
                row = _sealed(database, row_of(line))
                ready.write(json.dumps(row, allow_nan=False) + "\n")
            except ValueError as error:
                if not skip_bad:
                    raise _refusal(number, error) from None
                report.skipped += 1
                if report.skipped <= _SAID:
                    report.problems.append(f"line {number}: {error}")
        ready.seek(0)
        report.written = _write(database, ready)
    report.already_here = report.read - report.skipped - report.written
    return report


def row_of(line: bytes) -> dict[str, Any]:
    """Return the row of one line.

    Raises:
        ValueError: it is not the specification's object; the message quotes nothing of it.
    """
    said, data = _read(line)
    about, change = said.metadata, Redactor().redact_or_hash
    row = {name: value for name, value in about if name in _COLUMNS}
    attempt = {"attempt": about.attempt} if about.attempt else {}
    attributes = {**(about.model_extra or {}), **attempt}
    free = {"attributes": attributes or None, **{name: row[name] for name in _FREE}}
    kept = said.prompt is not None or said.response is not None
    why = about.content if about.content != "kept" else None
    return {
        **row,
        **{name: shape(value, change) for name, value in free.items()},
        **{name: shape(row[name], partial(_as_name, change)) for name in _FIGURES},
        "error": _as_kind(about.error),
        "finish_reason": _as_kind(about.finish_reason),
        **_places(about, data),
        "origin": "imported",
        "run_type": "llm",
        "name": about.name or "llm",
        "status": "abandoned" if about.status == "started" else about.status or "done",
        "started_at": said.timestamp,
        "user_id": said.user_id,
        "thread_id": said.session_id,
        "prompt_type": _CATEGORIES.get(said.prompt_type or "", said.prompt_type),
        "prompt_version": about.prompt.version if about.prompt else None,
        "prompt_digest": about.prompt.digest if about.prompt else None,
        **_model(said),
        "input_tokens": said.input_tokens,
        "output_tokens": said.output_tokens,
        **_cost(said),
        "content": "kept" if kept else why or "not in the import",
        "prompt": change(said.prompt) if said.prompt else said.prompt,
        "response": change(said.response) if said.response else said.response,
    }


_FREE = ("tags", "parameters", "left_out")
"""The columns in which anything may stand; they are sealed."""
_FIGURES = ("usage_details", "price", "repriced")
"""The columns of figures, and of the names that these go by."""
_OUR_REASONS = ("no finish reason",)
_LONGEST_NAME = 80
"""Characters, of a name among figures."""
_COLUMNS = frozenset(column.key for column in Run.__table__.columns) - {"prompt"}


def _as_name(change: Callable[[str], str], text: str) -> str:
    """Return a name that stands among figures; whatever is longer may be somebody's words."""
    return change(text) if len(text) <= _LONGEST_NAME else "unknown"


def _as_kind(text: str | None) -> str | None:
    """Return the kind of a failure or an end; its words may quote a prompt."""
    is_kind = text is None or text in _OUR_REASONS or WORD.fullmatch(text)
    return text if is_kind else "unknown"


def _numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, with their numbers."""
    number = 0
    while line := lines.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise InputError(
                f"line {number}: is longer than {LONGEST_LINE:,} bytes. Nothing was imported. "
                "Write one JSON object a line."
            )
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield number, line


def _refusal(number: int, error: ValueError) -> InputError:
    return InputError(
        f"line {number}: {error}. Nothing was imported. Correct the line, or leave out every bad "
        "one with --skip-bad."
    )


def _read(line: bytes) -> tuple[Interaction, dict[str, Any]]:
    """Return what a line says, checked and as it stands."""
    data = _parse(line)
    try:
        return Interaction.model_validate(data), data
    except ValidationError as error:
        raise ValueError(_reason(error)) from None


def _parse(line: bytes) -> dict[str, Any]:
    def refuse(_: str) -> NoReturn:
        raise ValueError

    try:
        data = json.loads(line.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object in UTF-8; write one object a line")  # noqa: TRY004 - a wrong value is what callers handle
    stored: dict[str, Any] = _storable(data)
    return stored


def _storable(value: Any) -> Any:
    """Replace in every text what no database takes."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, dict):
        return {storable(key): _storable(inner) for key, inner in value.items()}
    return value


def _reason(error: ValidationError) -> str:
    """Say what is wrong first; the value may be text, so it is not quoted."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{place!r}: {said[:1].lower()}{said[1:]}"


def _places(about: _Metadata, data: dict[str, Any]) -> dict[str, Any]:
    """Return the run's ids: those of a line that knows them, or one made of its content."""
    try:
        run_id = str(uuid.UUID(about.run_id))
    except (TypeError, ValueError):
        run_id = str(uuid.uuid5(_IDS, json.dumps(data, sort_keys=True)))
        return {"run_id": run_id, "root_run_id": run_id, "trace_id": run_id, "parent_run_id": None}
    root = about.root_run_id or run_id
    return {"run_id": run_id, "root_run_id": root, "trace_id": about.trace_id or root}


def _model(said: Interaction) -> dict[str, str | None]:
    """Return which model it was; what the line says itself goes before its metadata."""
    asked, served = said.metadata.model_asked, said.metadata.model_served
    return {"model_served": served if said.model == (served or asked) else said.model}


def _cost(said: Interaction) -> dict[str, Any]:
    if said.total_cost is None:
        reference = said.metadata.price_reference or "unknown: the import states no cost"
        return {"cost_nano_usd": None, "price_reference": reference}
    nano = int((Decimal(str(said.total_cost)) * NANO).to_integral_value())
    reference = said.metadata.price_reference or "stated in the import"
    return {"cost_nano_usd": nano, "price_reference": reference}


def _sealed(database: Database, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is stored; of a person who was erased here, the figures."""
    try:
        admit(database, row["user_id"])
        return seal_values(database, Run, row["run_id"], row)
    except ErasedError:
        return _of_nobody(row)


def _of_nobody(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **ERASED, "name": row["run_type"]}


def _write(database: Database, ready: IO[str]) -> int:
    """Write the rows that wait, and return how many are new; of the erased, the figures alone."""
    written, people = 0, set[str]()
    for batch in _batches(ready):
        theirs = {row["user_id"] for row in batch}
        people |= theirs
        erased = _erased(database, theirs)
        rows = [_of_nobody(row) if row["user_id"] in erased else row for row in batch]
        started = time.monotonic()
        with database.begin() as session:
            written += _insert(session, rows)
        time.sleep(time.monotonic() - started)  # whoever waits tries now and then, in no queue
    for user_id in _erased(database, people):  # while the last of their rows were written
        erase_runs(database, user_id)
    return written


def _erased(database: Database, people: set[str]) -> set[str]:
    return {user_id for user_id in people if was_erased(database, user_id)}


def _batches(ready: IO[str]) -> Iterator[Sequence[dict[str, Any]]]:
    while some := list(islice(ready, _AT_ONCE)):
        yield [json.loads(line) for line in some]


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    """Write the rows that are not here yet, and return how many that are."""
    new = {row["run_id"]: row for row in reversed(rows)}
    for known in session.scalars(select(Run.run_id).where(Run.run_id.in_(new))):
        del new[known]
    if new:
        insert = insert_into(session.get_bind().dialect, Run)
        session.execute(insert.on_conflict_do_nothing(), list(new.values()))
    return len(new)
