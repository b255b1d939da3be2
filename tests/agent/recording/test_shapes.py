"""Whatever a step is given or gives back, its run is recorded, and every text in it was read."""

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_serializer

from agent.database import Database
from agent.recording.handler import RecordingHandler
from agent.recording.run_store import Run, RunStore
from agent.recording.shapes import as_json
from tests.fakes import make_handler


class Colour(Enum):
    """An enumeration."""

    RED = "red"


@dataclass
class Pair:
    """A dataclass."""

    left: Any
    right: Any = None


class Model(BaseModel):
    """A pydantic model that takes more than its fields, and hides one."""

    model_config = ConfigDict(extra="allow")

    name: str
    key: SecretStr = SecretStr("zanzibar")
    hidden: str = Field(default="zanzibar", exclude=True)


class Unwilling(BaseModel):
    """A pydantic model that cannot be dumped."""

    name: str = "kept"

    @model_serializer
    def _refuse(self) -> dict[str, Any]:
        raise RuntimeError("zanzibar")


class Mute:
    """An object that cannot be written down."""

    def __repr__(self) -> str:
        raise RuntimeError("zanzibar")


class Broken(dict[str, Any]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        """Fail."""
        raise RuntimeError("zanzibar")


def cycle() -> list[Any]:
    """Make a list that holds itself several times, which without a bound has no end."""
    made: list[Any] = []
    made += [made, made, made]
    return made


EXOTIC = {
    "bytes": (b"Zo\xc3\xab", "<4 bytes>"),
    "dataclass": (Pair(Pair(1)), {"left": {"left": 1, "right": None}, "right": None}),
    "pydantic": (
        Model.model_validate({"name": "n", "more": [1]}),
        {"name": "n", "key": "SecretStr('**********')", "more": [1]},
    ),
    "unwilling": (Unwilling(), {"name": "kept"}),
    "mute": ([Mute(), "kept"], ["<Mute>", "kept"]),
    "broken mapping": ([Broken(), "kept"], ["<Broken>", "kept"]),
    "huge int": (2**70, str(2**70)),
    "nan": ([float("nan"), float("inf"), 0.5], [None, None, 0.5]),
    "numpy": ([np.float64(0.5), np.float32(0.5), np.int64(3)], [0.5, 0.5, 3]),
    "surrogate": ("a\ud800b\0", "a?b\ufffd"),
    "enum": (Colour.RED, "red"),
    "decimal": (Decimal("1.50"), "1.50"),
    "keys": ({1: {None: "x"}, (1, 2): "y"}, {"1": {"None": "x"}, "(1, 2)": "y"}),
    "empty": (None, None),
    "false": (False, False),
}


def rows(database: Database) -> list[Run]:
    """Read every row."""
    with database.begin() as session:
        runs = session.query(Run).order_by(Run.started_at).all()
        session.expunge_all()
        return runs


@pytest.mark.parametrize("name", EXOTIC)
def test_value_is_recorded_when_it_is_exotic(
    database: Database, handler: RecordingHandler, name: str
) -> None:
    """What JSON has no word for is written in words, and costs no other value."""
    value, written = EXOTIC[name]
    given: Any = {"given": value}
    RunnableLambda(lambda _: {"made": value}).invoke(given, {"callbacks": [handler]})
    (run,) = rows(database)
    assert run.status == "done"
    assert json.loads(run.inputs or "") == {"given": written}
    assert json.loads(run.outputs or "") == {"made": written}


@pytest.mark.parametrize(
    "value",
    [cycle(), Pair(cycle()), [[0] * 1_000] * 1_000, [object()], iter("ab"), Broken],
    ids=["cycle", "cycle in a dataclass", "a million", "object", "iterator", "class"],
)
def test_run_is_recorded_when_a_value_has_no_end(
    database: Database, handler: RecordingHandler, value: Any
) -> None:
    """What is too much is left out."""
    RunnableLambda(lambda _: value).invoke("x", {"callbacks": [handler]})
    (run,) = rows(database)
    assert run.status == "done"
    assert run.outputs is not None
    assert len(run.outputs) < 100_000


def test_text_is_read_when_it_lies_in_an_object() -> None:
    """Texts and keys at every depth, and in what is only known by how it is written."""

    class Known:
        def __repr__(self) -> str:
            return "zanzibar here"

    values = [{"zanzibar a": [Pair("zanzibar")]}, Known(), HumanMessage("zanzibar"), {"zanzibar c"}]
    read = as_json(values, lambda text: text.replace("zanzibar", "[place]"))
    assert "zanzibar" not in read
    assert read.count("[place]") == 5


def test_latest_messages_are_shown_when_a_conversation_is_long() -> None:
    """The same in a state and in a prompt, which holds them one level deeper."""
    said: list[BaseMessage] = [HumanMessage(str(number)) for number in range(200)]
    for value in ({"messages": said}, ChatPromptValue(messages=said)):
        shown = json.loads(as_json(value, str))["messages"]
        assert shown[0] == {"type": "note", "content": "170 earlier messages"}
        assert [message["content"] for message in shown[1:]] == [str(n) for n in range(170, 200)]


def test_message_shows_its_tool_calls_when_it_has_some() -> None:
    """And not what every message has."""
    call = {"name": "add", "args": {"left": 2}, "id": "call-1", "type": "tool_call"}
    message = AIMessage("", tool_calls=[call])
    assert json.loads(as_json(message, str)) == {"type": "ai", "content": "", "tool_calls": [call]}


@pytest.mark.parametrize("consent", [True, False])
def test_run_is_recorded_when_its_metadata_are_exotic(database: Database, *, consent: bool) -> None:
    """What cannot be written of tags, metadata and parameters does not cost the rest."""
    handler = make_handler(RunStore(database), consent=consent)
    metadata: dict[Any, Any] = {"thread_id": Mute(), "cycle": cycle(), 3: np.array([1, 2])}
    odd_ones: Any = (metadata, {"course": np.array([1, 2])}, {"nan": float("nan"), "big": 2**70})
    for odd in odd_ones:
        run_id = uuid4()
        handler.on_chat_model_start(
            None,
            [[HumanMessage("hi")]],
            run_id=run_id,
            metadata=odd,
            tags=[Mute(), 3],
            invocation_params={"temperature": np.float32(0.5), "response_format": Model},
        )
        handler.on_llm_error(ValueError(), run_id=run_id)
    handler._writer.close()
    runs = rows(database)
    assert [run.status for run in runs] == ["error"] * 3
    assert {(run.parameters or {})["temperature"] for run in runs} == {0.5}


def test_run_is_recorded_when_its_kind_is_no_word(
    database: Database, handler: RecordingHandler
) -> None:
    """Another graph may call something else `prompt_type`."""
    graph: Any = RunnableLambda(lambda _: {"prompt_type": ["x"]})
    graph.invoke("x", {"callbacks": [handler]})
    (run,) = rows(database)
    assert (run.status, run.prompt_type) == ("done", None)
