"""Traces that LangSmith has: it is asked to delete them by one pair, until none is left."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, update

from agent.erasure import Eraser
from agent.errors import ErasedError
from agent.holdings import find_person, holdings_of
from agent.privacy.access import Caller, local_caller
from agent.privacy.erasure import Receipt, Step
from agent.recording.langsmith import LangSmith
from agent.recording.processes import Lease
from agent.recording.run_store import Run
from agent.settings import Settings
from tests.agent.privacy.people_with_data import WORDS, Scene, peopled, rows_about
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running


@contextmanager
def traced(folder: Path, sink: LangSmithServer) -> Iterator[Scene]:
    """Open an installation whose two people were traced."""
    with running(sink.app) as langsmith:
        changes = {"langsmith_endpoint": langsmith, "langsmith_api_key": "ls-key"}
        with peopled(folder, langsmith_tracing=True, **changes) as scene:
            assert scene.assistant.flush()
            yield scene


def eraser_of(scene: Scene, patience: float = 0.2) -> Eraser:
    """Make what erases, with a short patience, and for a LangSmith that lists at once."""
    stores, settings = scene.assistant.stores, scene.assistant.settings
    holdings = holdings_of(stores, settings, patience=patience)
    return replace(scene.assistant._async.eraser, holdings=holdings, late=0.0)


def users_in(sink: LangSmithServer) -> set[Any]:
    """Return whose runs LangSmith has."""
    return {run["extra"]["metadata"].get("user_id") for run in sink.runs.values()}


def state_of(receipt: Receipt) -> tuple[str, int]:
    """Return what became of the traces."""
    step = step_of(receipt)
    return step.state, step.removed


def test_traces_are_gone_when_their_person_is_erased(tmp_path: Path) -> None:
    """One request with one pair, then they are looked for; others' traces stay."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        assert users_in(sink) == {scene.ada.user_id, scene.ben.user_id}
        count = sum(
            run["extra"]["metadata"]["user_id"] == scene.ada.user_id for run in sink.runs.values()
        )
        receipt = eraser_of(scene).erase(scene.ada.user_id, scene.ada, door="http")
        assert receipt.finished_at
        assert state_of(receipt) == ("done", count)
        assert sink.deletions == [{"metadata": {"user_id": scene.ada.user_id}}]
        assert users_in(sink) == {scene.ben.user_id}


def test_erasure_is_pending_when_langsmith_takes_its_time(tmp_path: Path) -> None:
    """Everything here is gone at once; the person stays refused until it is gone there too."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        sink.is_deleting = False
        eraser = eraser_of(scene)
        receipt = eraser.erase(scene.ada.user_id, scene.ada, door="http")
        assert receipt.finished_at is None
        state, count = state_of(receipt)
        assert (state, count > 10) == ("pending", True)
        assert rows_about(tmp_path, scene.ada).keys() == {"audit", "erasures"}
        with pytest.raises(ErasedError):
            scene.assistant.ask("Hello?", caller=scene.ada)
        assert [one.finished_at for one in eraser.resume()] == [None]
        sink.is_deleting = True
        (finished,) = eraser.resume()
        assert finished.finished_at
        assert finished.erasure_id == receipt.erasure_id
        assert state_of(finished) == ("done", count)
        assert eraser.resume() == []


@pytest.mark.parametrize("status", [401, 503])
def test_erasure_is_pending_when_langsmith_does_not_answer(tmp_path: Path, status: int) -> None:
    """The receipt says why."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        sink.status = status
        receipt = eraser_of(scene).erase(scene.ada.user_id, scene.ada, door="http")
        sink.status = None
        assert receipt.finished_at is None
        assert f"HTTP {status}" in step_of(receipt).note


def test_nothing_is_sent_when_a_late_end_of_theirs_is_recorded(tmp_path: Path) -> None:
    """A run that ends after its person was erased is settled without them, and stays here."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        handler = scene.assistant._async.handler
        run_id, owner = _begin(scene, scene.ada)
        eraser_of(scene).erase(scene.ada.user_id, scene.ada, door="http")
        sink.bodies.clear()
        handler.end(run_id)
        assert scene.assistant.flush()
        run = scene.assistant.stores.runs.get(str(run_id))
        assert run is not None
        assert (run.status, run.user_id, run.content) == ("done", "erased", "erased")
        assert owner not in users_in(sink)
        assert str(run_id).encode() not in b"".join(sink.bodies)
        assert WORDS[scene.ada.name].encode() not in b"".join(sink.bodies)


def test_every_run_is_counted_when_there_are_many() -> None:
    """Page after page."""
    sink = LangSmithServer()
    for number in range(250):
        told = {"metadata": {"user_id": "u1" if number else "u2"}}
        sink.runs[str(number)] = {"id": str(number), "extra": told}
    with running(sink.app) as base, closing(LangSmith(base, "ls-key")) as langsmith:
        answer, number = langsmith.count_of("u1")
        assert (answer.verdict, number) == ("taken", 249)
        assert langsmith.count_of('u"1')[1] == 0
        sink.projects = []
        assert langsmith.count_of("u1")[1] == 0


def step_of(receipt: Receipt) -> Step:
    """Return the step of the traces."""
    (step,) = [step for step in receipt.steps if step.store == "LangSmith"]
    return step


def test_erasure_is_pending_when_langsmith_lists_late(tmp_path: Path) -> None:
    """It is asked to delete all the same, and again, until it must list what it was sent."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        late = dict(sink.runs)
        sink.runs.clear()
        eraser = replace(eraser_of(scene), late=600.0)
        receipt = eraser.erase(scene.ada.user_id, scene.ada, door="http")
        assert (receipt.finished_at, step_of(receipt).state) == (None, "pending")
        assert "listed late" in step_of(receipt).note
        assert len(sink.deletions) == 1
        sink.runs.update(late)
        (second,) = eraser.resume()
        assert second.finished_at is None
        assert step_of(second).at == step_of(receipt).at
        assert users_in(sink) == {scene.ben.user_id}
        (finished,) = replace(eraser, late=0.0).resume()
        assert finished.finished_at
        assert len(sink.deletions) == 3


def test_nobody_waits_for_lists_when_the_last_run_is_long_ago(tmp_path: Path) -> None:
    """LangSmith is asked once to delete, and believed that there is nothing."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        old = update(Run).values(ended_at="2026-01-01T00:00:00.000000Z")
        with scene.assistant.stores.database.begin() as session:
            session.execute(old.execution_options(synchronize_session=False))
        sink.runs.clear()
        eraser = replace(eraser_of(scene), late=600.0)
        assert eraser.erase(scene.ada.user_id, scene.ada, door="http").finished_at
        assert len(sink.deletions) == 1


@pytest.mark.parametrize("answer", [{"detail": "x"}, None, [{"name": "p"}], ["p"], [None]])
def test_erasure_is_pending_when_langsmith_answers_oddly(tmp_path: Path, answer: Any) -> None:
    """What is no list of projects says nothing about what is there."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        sink.projects = answer
        receipt = eraser_of(scene).erase(scene.ada.user_id, scene.ada, door="http")
        assert (receipt.finished_at, step_of(receipt).state) == (None, "pending")
        assert "not as expected" in step_of(receipt).note


@pytest.mark.parametrize("answer", [None, [], {}, {"runs": [1]}, {"runs": [], "cursors": ["x"]}])
def test_nothing_is_counted_when_the_runs_are_answered_oddly(answer: Any) -> None:
    """No answer is taken for none left."""
    odd = FastAPI()
    odd.get("/sessions")(lambda: [{"id": "p-1"}])
    odd.post("/runs/query")(lambda: answer)
    with running(odd) as base, closing(LangSmith(base, "ls-key")) as langsmith:
        found, number = langsmith.count_of("u1")
        assert (found.verdict, found.reason) == ("later", "no answer (not as expected)")
        assert number == 0


def elsewhere(scene: Scene) -> Eraser:
    """Make what erases at a terminal that knows nothing of LangSmith."""
    stores, data = scene.assistant.stores, scene.assistant.settings.data_dir
    return Eraser(stores=stores, holdings=holdings_of(stores, Settings(data_dir=data)), late=0.0)


def test_receipt_says_so_when_langsmith_is_not_set_up(tmp_path: Path) -> None:
    """Traces that were sent before are named, and go when it is set up, by the pseudonym alone."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        stores, local = scene.assistant.stores, local_caller(scene.assistant.stores.user_id)
        with stores.database.begin() as session:
            session.execute(delete(Lease))  # nobody sends any more
        receipt = elsewhere(scene).erase(scene.ada.user_id, local, door="terminal")
        assert receipt.finished_at
        assert step_of(receipt).state == "kept"
        assert "set LANGSMITH_API_KEY" in step_of(receipt).note
        assert scene.ada.user_id in users_in(sink)
        user_id = find_person(stores, scene.ada.user_id)
        again = eraser_of(scene).erase(user_id, local, door="terminal")
        assert again.finished_at
        assert state_of(again)[0] == "done"
        assert state_of(again)[1] > 10
        assert users_in(sink) == {scene.ben.user_id}


def test_erasure_is_pending_when_another_process_sends_traces(tmp_path: Path) -> None:
    """The terminal cannot ask LangSmith; the service that can goes on."""
    sink = LangSmithServer()
    with traced(tmp_path, sink) as scene:
        terminal = elsewhere(scene)
        receipt = terminal.erase(scene.ada.user_id, scene.ada, door="terminal")
        assert (receipt.finished_at, step_of(receipt).state) == (None, "pending")
        with scene.assistant.stores.database.begin() as session:
            session.execute(delete(Lease))
        assert [one.finished_at for one in terminal.resume()] == [None]
        (finished,) = eraser_of(scene).resume()
        assert finished.finished_at
        assert users_in(sink) == {scene.ben.user_id}


def _begin(scene: Scene, caller: Caller) -> tuple[Any, str]:
    """Open the record of a request, as it is when it is let in."""
    from langchain_core.utils.uuid import uuid7

    from agent.privacy.owner import Owner

    run_id, owner = uuid7(), Owner(caller.user_id, "prog1")
    made = scene.assistant._async
    made.handler.begin(run_id, name="assistant", owner=owner, metadata={})
    made._recorder.writer.wait()
    return run_id, caller.user_id
