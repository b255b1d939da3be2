"""The record on its way in: as stated, all of a file or nothing, and once."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agent.database import Database
from agent.errors import InputError
from agent.insight.usage import whole_usage
from agent.recording import importing
from agent.recording.export import as_json_lines
from agent.recording.importing import Imported, import_lines
from agent.recording.outbox import OutboxRow
from agent.recording.run_store import Run, RunStore
from agent.recording.verify import verify
from tests.agent.insight.test_usage import call
from tests.agent.recording.test_export import lines_of
from tests.agent.recording.test_handler import REQUEST, recorded
from tests.fakes import ScriptedChatModel, make_handler, reply

SAMPLES = (Path(__file__).parent / "samples.jsonl").read_bytes()
"""The specification's three sample interactions."""


def sample(**changes: Any) -> dict[str, Any]:
    """Return the first sample with changes, those of `metadata` in it."""
    data: dict[str, Any] = json.loads(SAMPLES.splitlines()[0])
    about = {**data["metadata"], **changes.pop("metadata", {})}
    return {**data, **changes, "metadata": about}


def put(database: Database, *lines: Any, skip_bad: bool = False) -> Imported:
    """Import lines: bytes as they are, else as JSON."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return import_lines(database, BytesIO(b"\n".join(raw)), skip_bad=skip_bad)


def only(database: Database) -> Run:
    """Return the one run that is there."""
    (run,) = RunStore(database).oldest_first()
    return run


def test_samples_come_back_as_they_were_when_imported(database: Database) -> None:
    """Every key of the specification keeps its value, the time in the form that is stored."""
    assert put(database, SAMPLES) == Imported(read=3, written=3)
    said = [json.loads(line) for line in SAMPLES.splitlines()]
    found = [json.loads(line) for line in lines_of(database)]
    for before, after in zip(said, found, strict=True):
        assert after.pop("timestamp") == before.pop("timestamp").replace("Z", ".000000Z")
        about, kept = before.pop("metadata"), after.pop("metadata")
        assert after == before
        assert about == {name: kept[name] for name in about}
        assert (kept["origin"], kept["status"]) == ("imported", "done")
        assert kept["price_reference"] == "stated in the import"
    with database.read() as session:
        assert verify(session, whole_usage).ok
        assert session.scalar(select(func.count()).select_from(OutboxRow)) == 0


def test_line_is_the_same_when_it_goes_out_in_and_out_again(
    database: Database, tmp_path: Path
) -> None:
    """From one installation to another one, all but its origin; the second knows it again."""
    elsewhere = Database.open(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    store = RunStore(elsewhere)
    recorded(ScriptedChatModel(replies=[reply("Hi.")]), make_handler(store)).invoke(REQUEST)
    (line,) = lines_of(elsewhere)
    assert import_lines(elsewhere, BytesIO(line.encode())).already_here == 1
    elsewhere.close()
    put(database, line.encode())
    (again,) = lines_of(database)
    assert again == line.replace('"origin": null', '"origin": "imported"')
    assert put(database, again.encode()).written == 0


def test_record_is_one_when_a_line_comes_twice(database: Database) -> None:
    """In one file or in two, and whatever the order of its keys; another second is another one."""
    line = sample()
    turned = dict(reversed(line.items()))
    assert put(database, line, turned) == Imported(read=2, written=1, already_here=1)
    assert put(database, line) == Imported(read=1, already_here=1)
    assert put(database, sample(timestamp="2024-01-01T10:30:01Z")).written == 1


def test_run_stays_as_it_is_when_an_import_has_its_id(database: Database) -> None:
    """What was recorded here is not overwritten, and other systems' run ids are not ours."""
    run_id = "0f0cfb5f-6a1e-4d0c-9d5b-0d4cbb1c9e55"
    assert put(database, sample(metadata={"run_id": run_id})).written == 1
    assert put(database, sample(input_tokens=9, metadata={"run_id": run_id})).written == 0
    assert only(database).input_tokens == 450
    numbered = {"run_id": "1", "root_run_id": run_id, "parent_run_id": run_id}
    assert put(database, sample(input_tokens=9, metadata=numbered)).written == 1
    (other,) = [run for run in RunStore(database).oldest_first() if run.input_tokens == 9]
    assert other.run_id == other.root_run_id == other.trace_id
    assert other.parent_run_id is None


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [
        ("0.015", 15_000_000),
        ("0.02", 20_000_000),
        ("1", 1_000_000_000),
        ("0", 0),
        ("1e-9", 1),
        ("0.123456789", 123_456_789),
        ("null", None),
    ],
)
def test_cost_is_exact_when_it_is_stated(database: Database, dollars: str, nano: int) -> None:
    """In nano-dollars, and never reckoned anew; an unknown one stays unknown."""
    put(database, json.dumps(sample()).replace("0.015", dollars).encode())
    run = only(database)
    assert run.cost_nano_usd == nano
    assert run.price_reference is not None
    assert ("stated" in run.price_reference) == ("unknown" not in run.price_reference)


def test_text_is_redacted_when_it_holds_personal_data(database: Database) -> None:
    """In the prompt, the response and wherever else a line may hold text; ids stay."""
    secret = "Ask jane.roe@uni-bonn.de"  # noqa: S105 - an address
    about = {"error": secret, "note": {"to": [secret]}, "parameters": {"stop": [secret]}}
    put(database, sample(prompt=secret, response=secret, metadata=about))
    (line,) = as_json_lines([only(database)])
    assert "jane" not in line
    assert line.count("<EMAIL_1>") == 4
    assert json.loads(line)["metadata"]["error"] == "unknown"
    assert only(database).user_id == "user_67890"


def test_more_is_kept_when_metadata_states_it(database: Database) -> None:
    """Times, state, keys that nobody here knows; what is open elsewhere nobody here will end."""
    about = {
        "ended_at": "2024-01-01T11:30:02+01:00",
        "status": "started",
        "prompt": {"version": "planner/v1", "digest": "abc"},
        "attempt": 2,
        "grade": None,
    }
    put(database, sample(prompt_type="code_generation", metadata=about))
    run = only(database)
    assert (run.ended_at, run.latency_ms) == ("2024-01-01T10:30:02.000000Z", 2300)
    assert (run.status, run.prompt_type, run.prompt_version) == (
        "abandoned",
        "codegen",
        "planner/v1",
    )
    assert run.attributes == {"attempt": 2, "grade": None}


@pytest.mark.parametrize(
    ("stated", "said"), [(None, "not in the import"), ("no consent", "no consent")]
)
def test_reason_is_kept_when_there_is_no_text(
    database: Database, stated: str | None, said: str
) -> None:
    """Why text is missing is what the line says, if it says so."""
    put(database, sample(prompt=None, response=None, metadata={"content": stated}))
    assert (only(database).content, only(database).prompt) == (said, None)


def test_what_no_database_takes_is_replaced_when_it_stands_in_a_line(database: Database) -> None:
    """NUL and half a character are no reason to refuse a log."""
    put(database, sample(prompt="a\0b\ud83d", metadata={"x\0": "\0"}))
    assert only(database).prompt == "a\ufffdb?"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[1]", "is not a JSON object"),
        (b"{", "is not a JSON object"),
        (b"\xff\xfe", "is not a JSON object"),
        (b"[" * 100_000, "is not a JSON object"),
        (b'{"timestamp": "2024-01-01T10:30:00Z"}', "'session_id': field required"),
        (sample(input_tokens=-1), "'input_tokens': input should be greater than or equal to 0"),
        (sample(output_tokens="8"), "'output_tokens': input should be a valid integer"),
        (sample(total_cost="0.1"), "'total_cost': input should be a valid number"),
        (sample(total_cost=float("nan")), "is not a JSON object"),
        (sample(timestamp="2024-01-01T10:30:00"), "'timestamp': is no time with its zone"),
        (sample(timestamp="yesterday"), "'timestamp': is no time with its zone"),
        (sample(timestamp="0001-01-01T00:00:00+14:00"), "lies outside the years"),
        (sample(user_id="a\nb"), "'user_id': holds characters that cannot be seen"),
        (sample(session_id=""), "'session_id': string should have at least 1"),
        (sample(cost=1), "'cost': extra inputs are not permitted"),
        (sample(metadata={"status": "fine"}), "'metadata.status': input should be 'started'"),
        (json.dumps(sample()).replace("2300", "1e999").encode(), "'metadata.latency_ms'"),
        (json.dumps(sample(metadata={"x": 7.5})).replace("7.5", "1e999").encode(), "JSON"),
    ],
)
def test_nothing_is_written_when_a_line_is_wrong(database: Database, line: Any, said: str) -> None:
    """Its number and its fault are named, none of its text; or it alone is left out."""
    lines = (sample(), b"", line, sample(input_tokens=2))
    with pytest.raises(InputError, match=r"^line 3: ") as refused:
        put(database, *lines)
    assert said in str(refused.value)
    assert "expert" not in str(refused.value)
    assert RunStore(database).oldest_first() == []
    report = put(database, *lines, skip_bad=True)
    assert (report.read, report.written, report.skipped) == (3, 2, 1)
    assert report.problems[0].startswith("line 3: ")


def test_first_faults_are_told_when_many_lines_are_wrong(database: Database) -> None:
    """All are counted."""
    report = put(database, *[b"{}"] * 30, skip_bad=True)
    assert (report.skipped, len(report.problems)) == (30, 20)


def test_file_is_refused_when_a_line_has_no_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's memory is filled by what is no JSON Lines; a byte order mark is none of a line."""
    assert put(database, b"\xef\xbb\xbf" + SAMPLES).written == 3
    monkeypatch.setattr(importing, "LONGEST_LINE", 100)
    with pytest.raises(InputError, match="line 1: is longer than 100 bytes"):
        put(database, sample(), skip_bad=True)


def test_every_line_is_written_when_there_are_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at a time: what breaks off late is completed by the next try, and nothing is doubled."""
    monkeypatch.setattr(importing, "_AT_ONCE", 2)
    many = [sample(input_tokens=number) for number in range(5)]
    real, seen = importing._insert, []

    def fail_late(*some: Any) -> int:
        seen.append(some)
        if len(seen) == 3:
            raise ZeroDivisionError
        return real(*some)

    with monkeypatch.context() as patch:
        patch.setattr(importing, "_insert", fail_late)
        with pytest.raises(ZeroDivisionError):
            put(database, *many)
    assert len(RunStore(database).oldest_first()) == 4
    assert put(database, *many, *many) == Imported(read=10, written=1, already_here=9)


def test_others_can_write_when_an_import_is_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is answered meanwhile does not wait for the end of the file."""
    monkeypatch.setattr(importing, "_AT_ONCE", 100)
    real, has_begun = importing._insert, threading.Event()

    def insert_slowly(*some: Any) -> int:
        written = real(*some)
        has_begun.set()
        time.sleep(0.02)
        return written

    monkeypatch.setattr(importing, "_insert", insert_slowly)
    bare = sample(prompt=None, response=None)
    many = [{**bare, "input_tokens": number} for number in range(3_000)]
    with ThreadPoolExecutor() as pool:
        report = pool.submit(put, database, *many)
        assert has_begun.wait(60)
        with database.begin() as session:
            session.add(Run(**call(0)))
            session.flush()
            written = session.scalar(select(func.count()).where(Run.origin == "imported"))
        assert report.result() == Imported(read=3_000, written=3_000)
    assert written is not None
    assert written < 3_000
    assert len(RunStore(database).oldest_first()) == 3_001


def test_fault_is_told_before_anything_is_redacted_when_a_file_is_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redacting takes most of the time; what can be read twice is checked first."""
    monkeypatch.setattr(importing, "row_of", lambda _: pytest.fail("it was redacted"))
    with pytest.raises(InputError, match="line 2: "):
        put(database, sample(), b"{}")


def test_line_is_refused_when_the_file_cannot_be_read_twice(database: Database) -> None:
    """A pipe is checked while it is read, and nothing is written all the same."""

    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(InputError, match="line 4: "):
        import_lines(database, Pipe(SAMPLES + b"{}"))
    assert RunStore(database).oldest_first() == []
    assert import_lines(database, Pipe(SAMPLES)).written == 3
