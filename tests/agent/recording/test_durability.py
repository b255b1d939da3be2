"""What an answer promises: its record is there, after a kill, a power cut or a full disk."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from agent.blocking import Assistant
from agent.database import Database
from agent.recording.run_store import RunStore
from agent.settings import Settings
from benchmarks.kill import kill
from benchmarks.power import count_syncs, cut
from server import create_app
from tests.agent.recording.test_writer import full, held, statuses, wait_at_most, wait_for
from tests.agent.test_assistant import NOTE
from tests.servers.running import running
from tests.test_server import wait_until_ready

QUESTION = {"message": "What is a dict?"}


@contextmanager
def door(settings: Settings, folder: Path) -> Iterator[tuple[httpx.Client, Database]]:
    """Serve an assistant; yield a client, and the very database that it records in."""
    (folder / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
    app = create_app(settings)
    with running(app) as base, httpx.Client(base_url=base, timeout=30) as client:
        wait_until_ready(client)
        opened = app.state.opening.get()
        yield client, asyncio.run(opened).stores.database


def check_refusal(response: httpx.Response) -> None:
    """Check that nothing was acknowledged, and that it is said what to do."""
    assert (response.status_code, response.json()["error"]["code"]) == (503, "storage")
    assert "Check that the disk has space" in response.json()["error"]["message"]
    assert response.headers["retry-after"]


def test_answer_is_refused_when_the_disk_is_full(settings: Settings, tmp_path: Path) -> None:
    """And the same server answers again as soon as there is space."""
    with door(settings, tmp_path) as (client, database):
        with full(database):
            answers = [client.post("/ask", json=QUESTION) for _ in range(15)]
        refused = [answer for answer in answers if not answer.is_success]
        assert len(refused) > 5
        for answer in refused:
            check_refusal(answer)
        answers.append(client.post("/ask", json=QUESTION).raise_for_status())
        acknowledged = [answer.json()["run_id"] for answer in answers if answer.is_success]
        for run_id in acknowledged:
            tree = RunStore(database).tree(run_id)
            assert {run.status for run in tree} == {"done"}
            assert {"chain", "llm"} <= {run.run_type for run in tree}
        wait_for(lambda: "started" not in statuses(database).values())


def test_answer_is_refused_when_another_process_holds_the_database(
    settings: Settings, tmp_path: Path
) -> None:
    """Meanwhile the server is alive, and afterwards it answers."""
    with door(settings, tmp_path) as (client, database), ThreadPoolExecutor(4) as pool:
        wait_at_most(database, 500)
        with held(database) as let_go:
            asking = [pool.submit(client.post, "/ask", json=QUESTION) for _ in range(4)]
            slowest = 0.0
            while not all(waiting.done() for waiting in asking):
                before = time.monotonic()
                client.get("/live").raise_for_status()
                slowest = max(slowest, time.monotonic() - before)
            for waiting in asking:
                check_refusal(waiting.result())
            let_go()
        assert slowest < 0.4
        client.post("/ask", json=QUESTION).raise_for_status()
        wait_for(lambda: "started" not in statuses(database).values())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    """Three lives under load; `benchmarks/kill.py` takes many more."""
    found = kill(tmp_path, 3, (3.0, 6.0))
    assert found["acknowledged"] > 0
    assert found["rows_abandoned"] > 0
    assert found["acknowledged_and_lost"] == 0
    assert found["rows_open_after_restart"] == 0
    assert found["model_calls_without_a_row"] == 0
    assert found["quick_checks_ok"] == 4


def test_nothing_acknowledged_is_lost_when_the_power_is_cut() -> None:
    """With the pragmas as they are; with weaker ones the same cuts lose some."""
    ours, control = cut("FULL", 1, 10), cut("NORMAL", 1, 10)
    assert ours.acknowledged > 50
    assert (ours.lost, ours.corrupt) == (0, 0)
    assert control.lost > 0


@pytest.mark.slow
def test_log_is_synced_when_a_group_is_acknowledged() -> None:
    """On a real disk, as the kernel saw it."""
    found = count_syncs()
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found["groups"] > 100
    assert found["groups_without_a_sync"] == 0
