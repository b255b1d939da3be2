"""The export of a person: everything of theirs, nothing of anybody else's, and readable."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from agent.cli import app
from agent.privacy.access import Caller
from tests.agent.privacy.people_with_data import ADA, BEN, NAMES, WORDS, Scene, peopled
from tests.agent.privacy.test_erasure import row_of


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Two people who left something everywhere."""
    with peopled(tmp_path) as made:
        yield made


def exported(scene: Scene, caller: Caller) -> list[dict[str, Any]]:
    """Return what somebody gets who asks for their own."""
    lines = scene.assistant._async.eraser.export(caller.user_id, caller, door="http")
    return [json.loads(line) for line in lines]


def items_of(lines: list[dict[str, Any]], store: str) -> list[dict[str, Any]]:
    """Return what came of one store."""
    return [line["item"] for line in lines if line["store"] == store]


def test_everything_is_there_when_a_person_exports(scene: Scene) -> None:
    """Row by row as the database has it, in clear."""
    lines = exported(scene, scene.ada)
    mine = {"user_id": scene.ada.user_id}
    with scene.assistant.stores.database.read() as session:
        run_ids = session.execute(text("SELECT run_id FROM runs WHERE user_id = :user_id"), mine)
        assert {run["run_id"] for run in items_of(lines, "runs")} == set(run_ids.scalars())
    runs = items_of(lines, "runs")
    assert any(f"count {WORDS[ADA]}" in (run["prompt"] or "") for run in runs)
    assert {run["content"] for run in runs} == {"kept"}
    (assignment,) = items_of(lines, "assignments")
    assert WORDS[ADA] in assignment["brief"]
    assert assignment["plan"]["tasks"]
    (said,) = items_of(lines, "feedback")
    assert (said["rating"], said["comment"]) == ("positive", WORDS[ADA])
    assert [entry["decision"] for entry in items_of(lines, "consent")] == ["given"]
    (enrolment,) = items_of(lines, "enrolments")
    assert set(NAMES[ADA]) <= set(enrolment.values())
    assert items_of(lines, "people") == [{"name": ADA, "user_id": scene.ada.user_id}]
    threads = items_of(lines, "threads")
    assert sorted(len(thread["messages"]) for thread in threads) == [2, 4]
    assert all(WORDS[ADA] in thread["messages"][0]["text"] for thread in threads)
    assert "digest" not in items_of(lines, "API keys")[0]
    assert lines[-1]["store"] == "export"
    assert lines[-1]["item"]["items"] == len(lines) - 1


def test_nothing_of_others_is_there_when_a_person_exports(scene: Scene) -> None:
    """Neither their words nor their names, nor who read what."""
    scene.assistant.runs()  # which somebody else reads, and leaves in the audit log
    told = json.dumps(exported(scene, scene.ada))
    for foreign in (scene.ben.user_id, WORDS[BEN], *NAMES[BEN], scene.assistant.local.user_id):
        assert foreign not in told


def test_readings_are_told_when_others_read(scene: Scene) -> None:
    """A person learns when and why theirs was read, and of which runs."""
    scene.assistant.runs()
    (reading,) = items_of(exported(scene, scene.ada), "audit")
    assert (reading["action"], reading["role"], reading["door"]) == (
        "read content", "local", "python",
    )  # fmt: skip
    assert len(reading["object_ids"]) >= 3


def test_rest_is_exported_when_a_row_is_damaged(scene: Scene) -> None:
    """What does not open is named, and holds nothing else up."""
    with scene.assistant.stores.database.begin() as session:
        session.execute(text("UPDATE assignments SET brief = 'in clear'"))
    lines = exported(scene, scene.ada)
    (assignment,) = items_of(lines, "assignments")
    assert (assignment["brief"], assignment["content"]) == (None, "damaged")
    assert items_of(lines, "threads")


def test_export_is_audited_when_staff_makes_it(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who exports their own leaves no entry; staff leave one, and a file that is private."""
    exported(scene, scene.ada)
    audit = scene.assistant.stores.audit
    assert [entry.action for entry in audit.list(None)] == []
    monkeypatch.setenv("ASSIST_DATA_DIR", str(tmp_path / "data"))
    out = tmp_path / "out" / "ada.jsonl"
    done = CliRunner().invoke(app, ["privacy", "export", ADA, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert WORDS[ADA] in out.read_text("utf-8")
    assert out.stat().st_mode & 0o077 == 0
    (entry,) = audit.list(None)
    assert (entry.action, entry.subject, entry.door) == ("export", scene.ada.user_id, "terminal")
    again = CliRunner().invoke(app, ["privacy", "export", ADA, "--out", str(out)])
    assert "is there already" in str(again.exception)
    shown = CliRunner().invoke(app, ["privacy", "export", scene.ada.user_id])
    assert [json.loads(line)["store"] for line in shown.stdout.splitlines()][-1] == "export"


def test_export_is_quick_when_there_is_much(scene: Scene) -> None:
    """A thousand runs, each with its texts, in a few seconds."""
    for number in range(1_000):
        scene.assistant.stores.runs.start(row_of(scene.ada, number))
    started = time.monotonic()
    lines = exported(scene, scene.ada)
    assert time.monotonic() - started < 10
    assert len(items_of(lines, "runs")) > 1_000
