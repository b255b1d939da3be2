"""What is imported is sealed like everything else, and does not bring the erased back."""

import io
import json
import sqlite3
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from agent.erasure import Eraser
from agent.holdings import holdings_of
from agent.privacy.access import local_caller
from agent.recording import importing
from agent.recording.importing import import_lines
from agent.settings import Settings
from agent.stores import Stores

SECRET = "my illness and my exam"  # noqa: S105 - nobody's


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """The stores of an installation."""
    opened = Stores.open(settings)
    yield opened
    opened.close()


def lines(*people: str, **metadata: Any) -> io.BytesIO:
    """Make a line for each person."""
    said = [
        {
            "timestamp": "2026-01-01T00:00:00Z",
            "session_id": f"thread of {person}",
            "user_id": person,
            "model": "gpt-4",
            "prompt_type": "chat",
            "input_tokens": number,
            "output_tokens": 1,
            "total_cost": 0.1,
            "prompt": f"{SECRET} {number}",
            "response": SECRET,
            "metadata": {"assignment_id": "hamlet", **metadata},
        }
        for number, person in enumerate(people)
    ]
    return io.BytesIO("\n".join(map(json.dumps, said)).encode())


def test_no_words_stand_in_clear_when_lines_say_more_than_they_should(
    stores: Stores, settings: Settings
) -> None:
    """A failure is kept by its kind, an end by its name, and parameters are sealed."""
    import_lines(
        stores.database,
        lines(
            "bob",
            error=f"BadRequest: {SECRET} was refused",
            finish_reason=SECRET,
            parameters={"stop": [SECRET]},
            usage_details={"note": f"{SECRET} " * 5},
            price={"list": f"{SECRET} " * 5},
            tags=[SECRET],
        ),
    )
    data = b"".join(path.read_bytes() for path in settings.data_dir.glob("records.db*"))
    assert SECRET.encode() not in data
    (run,) = stores.runs.oldest_first()
    assert (run.error, run.finish_reason) == ("unknown", "unknown")
    assert run.parameters == {"stop": [SECRET]}
    assert (run.response, run.tags) == (SECRET, [SECRET])


def test_kinds_are_kept_when_they_are_names(stores: Stores) -> None:
    """What this record writes itself comes back."""
    import_lines(
        stores.database,
        lines(
            "bob", error="no finish reason", finish_reason="length", price={"list": "prices 1.2"}
        ),
    )
    (run,) = stores.runs.oldest_first()
    assert (run.error, run.finish_reason) == ("no finish reason", "length")
    assert run.price == {"list": "prices 1.2"}


@pytest.mark.parametrize("moment", ["before the look", "after the look"])
def test_nobody_comes_back_when_erased_while_their_lines_are_imported(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whoever imports has sealed their rows by then; what is written of them are figures."""

    def erase() -> None:
        other = Stores.open(settings)
        eraser = Eraser(stores=other, holdings=holdings_of(other, settings), notice=0.0)
        assert eraser.erase("ann", local_caller(other.user_id), door="terminal").finished_at
        other.close()

    look, batches = importing._erased, importing._batches
    looks = count()

    def look_early(database: Any, people: set[str]) -> set[str]:
        found = look(database, people)
        if next(looks) == 0:
            erase()
        return found

    def batches_late(ready: Any) -> Iterator[Any]:
        erase()
        yield from batches(ready)

    if moment == "after the look":
        monkeypatch.setattr(importing, "_erased", look_early)
    else:
        monkeypatch.setattr(importing, "_batches", batches_late)
    assert import_lines(stores.database, lines("ann", "ben")).written == 2
    with sqlite3.connect(settings.data_dir / "records.db") as records:
        asked = "SELECT user_id, thread_id, content, input_tokens FROM runs ORDER BY input_tokens"
        rows = records.execute(asked).fetchall()
    records.close()
    assert rows == [("erased", None, "erased", 0), ("ben", "thread of ben", "kept", 1)]
