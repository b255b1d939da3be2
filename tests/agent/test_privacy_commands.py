"""What `assist privacy` says where it is told something wrong, and where there is nothing to do."""

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.admission import Admission
from agent.cli import app
from agent.courses.book import CourseBook
from agent.errors import ErasedError, InputError
from agent.models.catalogue import ModelCatalogue
from agent.privacy.access import Caller
from agent.privacy.erasure import ErasureLedger
from agent.privacy.redactors import Redactors
from agent.recording.run_store import Run
from agent.recording.turns import Turn
from agent.requests import Call
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.insight.test_usage import call

_RUN = uuid.UUID(int=1)


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """The stores of an installation in which the local person once asked something."""
    opened = Stores.open(settings)
    long_ago = (datetime.now(UTC) - timedelta(days=5_000)).isoformat(timespec="microseconds")
    row = call(1, user_id=opened.user_id, started_at=long_ago.replace("+00:00", "Z"))
    opened.runs.start(row)
    yield opened
    opened.close()


def say(*words: str) -> tuple[int, str]:
    """Say something to `assist privacy`, and return the exit code and what it printed or raised."""
    done = CliRunner().invoke(app, ["privacy", *words])
    refused = isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit)
    return (2, str(done.exception)) if refused else (done.exit_code, done.output)


def test_old_run_goes_when_retained_at_the_terminal(stores: Stores) -> None:
    """A look removes nothing; another round finds nothing."""
    code, looked = say("retain", "--dry-run")
    assert (code, "only a look" in looked) == (0, True)
    with stores.database.read() as session:
        assert session.get(Run, "1") is not None
    code, removed = say("retain", "--json")
    assert code == 0
    assert {one["what"] for one in json.loads(removed)["removed"]} >= {"runs"}
    assert say("retain") == (0, "Nothing is past its time.\n")


def test_terminal_says_so_when_another_process_retains(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second does nothing, and exits with 1."""
    monkeypatch.setattr("agent.recording.turns.PATIENCE", 0.0)
    turn = Turn(stores.database, "retention")
    assert turn.take(0.0)
    code, said = say("retain")
    turn.release()
    assert (code, "Another process is doing this" in said) == (1, True)


def test_export_stands_in_a_new_file_when_it_is_named(stores: Stores, tmp_path: Path) -> None:
    """For its owner alone; a file that is there is not replaced."""
    out = tmp_path / "mine.jsonl"
    assert say("export", stores.user_id, "--out", str(out))[0] == 0
    assert out.stat().st_mode & 0o077 == 0
    assert json.loads(out.read_text("utf-8").splitlines()[-1])["store"] == "export"
    assert "is there already" in say("export", stores.user_id, "--out", str(out))[1]
    (tmp_path / "file").touch()
    assert "cannot be written" in say("export", stores.user_id, "--out", f"{out}/deeper")[1]


@pytest.mark.parametrize("words", [["erase"], ["erase", "ann", "--resume", "--yes"]])
def test_erasure_is_refused_when_it_is_not_said_whose(words: list[str]) -> None:
    """A person, or what is not finished; never both, never neither."""
    assert say(*words) == (2, "Name one person, or say --resume.")


def test_one_erasure_is_begun_when_two_ask_at_once(stores: Stores) -> None:
    """Both get the same receipt, and it is noted once."""
    ledger, gate, noted = ErasureLedger(stores.database), threading.Barrier(4), []

    def begin(_: int) -> str:
        gate.wait()
        return ledger.begin("ann", lambda _: noted.append(1)).erasure_id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(begin, range(4)))) == 1
    assert noted == [1]


@pytest.fixture
def admission(stores: Stores, tmp_path: Path, settings: Settings) -> Admission:
    """What lets requests in, with a course that offers one model."""
    (tmp_path / "courses").mkdir()
    (tmp_path / "courses" / "one.toml").write_text(
        'name = "One"\nmodels = ["openai:gpt-5.4-mini"]\n', "utf-8"
    )
    courses = CourseBook.open(tmp_path / "courses")
    redactors = Redactors(stores.people, stores.roster)
    return Admission(stores, courses, ModelCatalogue(settings), redactors)


def test_model_is_refused_when_the_course_does_not_offer_it(admission: Admission) -> None:
    """The refusal names those that it offers."""
    caller = Caller(admission.stores.people.user_id("ann"), "ann", "student", ("one",))
    with pytest.raises(InputError, match=r"It offers: openai:gpt-5\.4-mini"):
        admission.admit(_RUN, caller, Call("How?", course="one", model="openai:gpt-4o"))


def test_key_is_destroyed_again_when_an_erasure_began_meanwhile(
    admission: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes too late for the erasure to find it."""
    stores = admission.stores
    caller = Caller(stores.people.user_id("ann"), "ann", "student", ("one",))
    admit = stores.vault.keys.admit

    def admit_late(user_id: str) -> str | None:
        ErasureLedger(stores.database).begin(user_id, lambda _: None)
        return admit(user_id)

    monkeypatch.setattr(type(stores.vault.keys), "admit", lambda _, user_id: admit_late(user_id))
    with pytest.raises(ErasedError):
        admission.admit(_RUN, caller, Call("How?", course="one"))
    assert not stores.vault.knows(caller.user_id)
