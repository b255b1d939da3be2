"""The record on its way out has exactly the specification's keys."""

import json
from pathlib import Path
from typing import Any

import jsonschema
from langchain_core.messages import HumanMessage

from agent.database import Database
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.export import as_json_lines
from agent.recording.handler import RecordingHandler
from agent.recording.run_store import RunStore
from tests.fakes import ScriptedChatModel, reply

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
        "session_id": {"type": "string", "format": "uuid"},
        "user_id": {"type": "string", "format": "uuid"},
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


def test_line_has_the_specification_keys_when_exported(tmp_path: Path) -> None:
    """A recorded call is exactly the specification's object."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    store = RunStore(database)
    user = "4f4ccd1e-59c9-4a4c-9a5f-5d3f8f0f4a11"
    handler = RecordingHandler(
        store,
        prices=PriceList(),
        default_owner=Owner(user),
        has_consent=lambda _: True,
        make_redactor=lambda _: Redactor(),
    )
    ScriptedChatModel(replies=[reply("Hi.")]).invoke(
        [HumanMessage("hello")],
        config={"callbacks": [handler], "metadata": {"prompt_type": "chat", "thread_id": user}},
    )
    (line,) = as_json_lines(store.oldest_first())
    database.close()
    interaction = json.loads(line)
    checker = jsonschema.Draft202012Validator(
        INTERACTION, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    checker.validate(interaction)
    assert interaction["total_cost"] == 0.0075
    assert interaction["prompt"] == "human: hello"
