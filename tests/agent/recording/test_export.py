"""The record on its way out has exactly the specification's keys."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.database import Database
from agent.recording import export
from agent.recording.export import as_json_lines, oldest_pages
from agent.recording.run_store import Run, RunStore
from tests.agent.insight.test_usage import call
from tests.agent.recording.test_handler import REQUEST, recorded
from tests.fakes import ScriptedChatModel, make_handler, reply

_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
INTERACTION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "timestamp", "session_id", "user_id", "model", "prompt_type", "input_tokens",
        "output_tokens", "total_cost", "prompt", "response", "metadata",
    ],
    "properties": {
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "session_id": {"type": "string"},
        "user_id": {"type": "string"},
        "model": {"type": "string"},
        "prompt_type": {"enum": ["planning", "chat", "codegen", None]},
        "input_tokens": _COUNT,
        "output_tokens": _COUNT,
        "total_cost": {"type": ["number", "null"]},
        "prompt": _TEXT,
        "response": _TEXT,
        "metadata": {"type": "object", "required": ["assignment_id", "task_type"]},
    },
}  # fmt: skip


PAGE = (Path(__file__).parents[3] / "docs" / "record.md").read_text("utf-8")


def keys_in(table: str) -> list[str]:
    """Return the keys in the first column of a table."""
    cells = [row.split("|")[1] for row in table.splitlines()[1:]]
    return [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]


def lines_of(database: Database) -> list[str]:
    """Export everything."""
    return [line for page in oldest_pages(database) for line in as_json_lines(page)]


def test_line_has_the_specification_keys_when_exported(database: Database) -> None:
    """A recorded call is exactly the specification's object, all else is in its metadata."""
    store = RunStore(database)
    recorded(ScriptedChatModel(replies=[reply("Hi.")]), make_handler(store)).invoke(REQUEST)
    (line,) = lines_of(database)
    interaction = json.loads(line)
    jsonschema.Draft202012Validator(INTERACTION).validate(interaction)
    assert interaction["total_cost"] == 0.0075
    assert "what is a dict" in interaction["prompt"]
    about = interaction["metadata"]
    assert about["trace_id"] == about["root_run_id"] == interaction["session_id"]
    assert about["parent_run_id"] not in {about["root_run_id"], None}
    assert (about["status"], about["cache"], about["content"]) == ("done", None, "kept")
    assert about["prompt"]["version"] == "chat/v2"
    assert about["latency_ms"] > 0
    assert (about["model_asked"], about["model_served"]) == ("openai:gpt-4o", interaction["model"])


def test_unknown_is_null_when_nothing_is_known(database: Database) -> None:
    """Every key is there all the same; what else is known of a run stands beside them."""
    unknown = {"input_tokens": None, "output_tokens": None, "cost_nano_usd": None}
    attributes = {"attempt": 2, "langgraph_node": "chat", "status": "mine"}
    RunStore(database).start(call(1, **unknown, attributes=attributes))
    interaction = json.loads(lines_of(database)[0])
    assert [interaction[name] for name in ("input_tokens", "total_cost", "prompt")] == [None] * 3
    about = interaction["metadata"]
    assert [about[name] for name in ("prompt", "price", "paused", "origin")] == [None] * 4
    assert (about["attempt"], about["langgraph_node"], about["status"]) == (2, "chat", "done")


def test_key_stands_on_the_page_when_it_is_exported(database: Database) -> None:
    """Every key of a line, and of its metadata, is explained, and no other one."""
    RunStore(database).start(call(1))
    interaction = json.loads(lines_of(database)[0])
    first, second = re.findall(r"^\| key \| holds \|\n((?:\|.+\n)+)", PAGE, re.M)
    assert keys_in(first) == list(interaction)
    assert sorted(keys_in(second)) == sorted(interaction["metadata"])


def test_every_call_is_exported_once_when_there_are_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oldest first, page after page, also where a page ends among calls of one moment."""
    monkeypatch.setattr(export, "_PAGE", 2)
    store = RunStore(database)
    for number in (3, 1, 5, 2, 4):
        store.start(call(number))
    store.start(call(6, started_at="2026-11-21T10:00:00.000000Z"))
    store.start(call(7, run_type="chain"))
    found: list[Run] = [run for page in oldest_pages(database) for run in page]
    assert [run.run_id for run in found] == ["6", "1", "2", "3", "4", "5"]
