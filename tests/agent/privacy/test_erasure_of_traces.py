"""Traces that LangSmith has: it is asked to delete them by one pair, until none is left."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.erasure import Eraser
from agent.errors import ErasedError
from agent.holdings import holdings_of
from agent.privacy.access import Caller
from agent.privacy.erasure import Receipt
from agent.recording.langsmith import LangSmith
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
    """Make what erases, with a short patience."""
    stores, settings = scene.assistant.stores, scene.assistant.settings
    holdings = holdings_of(stores, settings, patience=patience)
    return replace(scene.assistant._async.eraser, holdings=holdings, in_flight=0.0)


def users_in(sink: LangSmithServer) -> set[Any]:
    """Return whose runs LangSmith has."""
    return {run["extra"]["metadata"].get("user_id") for run in sink.runs.values()}


def state_of(receipt: Receipt) -> tuple[str, int]:
    """Return what became of the traces."""
    (step,) = [step for step in receipt.steps if step.store == "LangSmith"]
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
        (step,) = [step for step in receipt.steps if step.store == "LangSmith"]
        assert f"HTTP {status}" in step.note


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


def _begin(scene: Scene, caller: Caller) -> tuple[Any, str]:
    """Open the record of a request, as it is when it is let in."""
    from langchain_core.utils.uuid import uuid7

    from agent.privacy.owner import Owner

    run_id, owner = uuid7(), Owner(caller.user_id, "prog1")
    made = scene.assistant._async
    made.handler.begin(run_id, name="assistant", owner=owner, metadata={})
    made._recorder.writer.wait()
    return run_id, caller.user_id
