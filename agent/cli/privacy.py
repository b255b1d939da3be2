"""Commands of `assist privacy`: what the service does with personal data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Personal data: what is replaced before anything is kept.")


@app.callback()
def privacy() -> None:
    """Personal data: what is replaced before anything is kept."""


@app.command("redact")
def redact(
    jsonl: Annotated[
        Path,
        typer.Option(help="Rows with `id` and `text`, and, if known, `enrolment` and `roster`."),
    ],
) -> None:
    """Redact each row by itself; print rows of `id`, `text` and `spans` of the original."""
    from agent.privacy.redaction import Enrolment, Redactor, Roster

    rosters: dict[tuple[str, ...], Roster] = {}
    for number, row in _rows(jsonl):
        names = tuple(_texts(row.get("roster") or (), f"{jsonl}:{number}: 'roster'"))
        record = row.get("enrolment") or {}
        known = {name: record[name] for name in Enrolment.__slots__ if record.get(name)}
        values = _texts(known.values(), f"{jsonl}:{number}: 'enrolment'")
        enrolment = Enrolment(**dict(zip(known, values, strict=True))) if known else None
        if names not in rosters:
            rosters[names] = Roster(names)
        redacted = Redactor(enrolment, rosters[names]).redact(row["text"])
        spans = [
            {"start": span.start, "end": span.end, "type": span.type} for span in redacted.spans
        ]
        shown = {"id": row.get("id"), "text": redacted.text, "spans": spans}
        typer.echo(json.dumps(shown, ensure_ascii=False))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    from agent.errors import InputError

    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}).") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise InputError(f"{path}:{number} is not a JSON object with a 'text'.")
        if not isinstance(row.get("enrolment") or {}, dict):
            raise InputError(f"{path}:{number}: 'enrolment' is not an object.")
        yield number, row


def _texts(values: Any, place: str) -> list[str]:
    from agent.errors import InputError

    texts = [values] if isinstance(values, str) else list(values)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{place} holds something that is no text.")
    return texts
