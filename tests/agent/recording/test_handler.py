"""One row a run: started before the call, settled after it, whatever happens between."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import PrivateAttr

from agent.database import Database
from agent.errors import ModelError, StorageError
from agent.privacy.owner import Owner
from agent.recording.handler import RecordingHandler
from agent.recording.recorded import record
from agent.recording.run_store import Run, RunStore
from graphs.build import AssistantGraph, build_graph
from tests.fakes import ScriptedChatModel, make_handler, make_services, reply

REQUEST: Any = {"messages": [HumanMessage("what is a dict")]}


@pytest.fixture
def store(database: Database) -> RunStore:
    """A store in it."""
    return RunStore(database)


def recorded(model: Any, handler: RecordingHandler) -> AssistantGraph:
    """Make a graph that is recorded."""
    graph = build_graph(make_services(model)).with_config({"callbacks": [handler]})
    return record(graph, handler._writer)


def roots_and_calls(database: Database) -> list[Run]:
    """Read the rows of roots and of model calls."""
    return [run for run in all_runs(database) if run.run_type == "llm" or is_root(run)]


def is_root(run: Run) -> bool:
    """Say whether a run is a request."""
    return run.run_id == run.root_run_id


def all_runs(database: Database) -> list[Run]:
    """Read every row."""
    with database.begin() as session:
        runs = session.query(Run).order_by(Run.started_at).all()
        session.expunge_all()
        return runs


def test_llm_run_is_recorded_when_the_graph_runs(store: RunStore) -> None:
    """Tokens, cost in nano-dollars, price reference, times, prompt version: all on one row."""
    recorded(ScriptedChatModel(replies=[reply("A map.")]), make_handler(store)).invoke(REQUEST)
    (run,) = store.latest(10)
    assert (run.status, run.prompt_type, run.task_type) == ("done", "chat", "chat_answer")
    assert (run.input_tokens, run.output_tokens) == (1_000, 500)
    assert run.cost_nano_usd == 7_500_000
    assert run.price_reference is not None
    assert "openai:gpt-4o" in run.price_reference
    assert (run.model_asked, run.model_served) == ("openai:gpt-4o", "gpt-4o-2024-08-06")
    assert run.prompt_version == "chat/v2"
    assert run.response == "A map."
    assert run.prompt is not None
    assert run.prompt.startswith("system: You are")
    assert run.latency_ms is not None
    assert run.started_at.endswith("Z")


def test_root_is_settled_when_the_graph_ends(database: Database, store: RunStore) -> None:
    """The root run has its own row, and the model call hangs below its trace."""
    recorded(ScriptedChatModel(replies=[reply("A map.")]), make_handler(store)).invoke(REQUEST)
    root, call = roots_and_calls(database)
    assert (root.run_type, root.status, root.prompt_type) == ("chain", "done", "chat")
    assert call.root_run_id == root.run_id
    assert root.ended_at is not None


def test_no_text_is_kept_when_nobody_consented(store: RunStore) -> None:
    """Without consent the call is counted and priced, and holds no word."""
    model = ScriptedChatModel(replies=[reply("A map.")])
    recorded(model, make_handler(store, consent=False)).invoke(REQUEST)
    (run,) = store.latest(10)
    assert (run.prompt, run.response, run.content) == (None, None, "no consent")
    assert run.cost_nano_usd == 7_500_000


def test_routing_call_gets_the_category_when_it_becomes_known(store: RunStore) -> None:
    """The call that decided the category is filed under it."""
    model = ScriptedChatModel(replies=[reply('{"prompt_type": "chat"}'), reply("Hi.")])
    question: Any = {"messages": [HumanMessage("skip the plan and give me the code")]}
    recorded(model, make_handler(store)).invoke(question)
    assert [(r.task_type, r.prompt_type) for r in store.oldest_first()] == [
        ("routing", "chat"),
        ("chat_answer", "chat"),
    ]


def test_failed_call_is_settled_when_the_model_raises(database: Database, store: RunStore) -> None:
    """The kind of error is kept, its text is not; unknown cost is NULL."""
    model = ScriptedChatModel(replies=[RuntimeError("secret prompt text")])
    with pytest.raises(ModelError, match="RuntimeError"):
        recorded(model, make_handler(store)).invoke(REQUEST)
    root, call = roots_and_calls(database)
    assert (root.status, call.status) == ("error", "error")
    assert call.error == "RuntimeError"
    assert call.cost_nano_usd is None
    assert "secret" not in repr(vars(call))


def test_unknown_usage_is_null_when_the_server_is_silent(store: RunStore) -> None:
    """No usage: no tokens and no cost, and the reason."""
    silent = AIMessage(
        "A map.", response_metadata={"model_name": "gpt-4o", "finish_reason": "stop"}
    )
    recorded(ScriptedChatModel(replies=[silent]), make_handler(store)).invoke(REQUEST)
    (run,) = store.latest(1)
    assert (run.input_tokens, run.cost_nano_usd) == (None, None)
    assert run.price_reference == "unknown: the server reported no usage"


def test_version_and_parameters_are_kept_when_the_server_names_them(store: RunStore) -> None:
    """The fingerprint, the finish reason and the sampling parameters stand on the row."""
    named = reply("Hi.", system_fingerprint="fp_1")
    recorded_model = ScriptedChatModel(replies=[named], temperature=0.2)
    recorded_model.invoke("hello", config={"callbacks": [make_handler(store)]})
    (run,) = store.latest(1)
    assert run.model_version == "fp_1"
    assert run.finish_reason == "stop"
    assert run.parameters == {"temperature": 0.2}


def test_tokens_are_counted_when_streamed(store: RunStore) -> None:
    """A streamed call has the same tokens, and the time to its first one."""
    graph = recorded(ScriptedChatModel(replies=[reply("A map of keys.")]), make_handler(store))
    assert list(graph.stream(REQUEST, stream_mode="messages"))
    (run,) = store.latest(1)
    assert (run.input_tokens, run.output_tokens, run.cost_nano_usd) == (1_000, 500, 7_500_000)
    assert run.first_token_ms is not None
    assert run.response == "A map of keys. "


class SlowModel(ScriptedChatModel):
    """Never answers, and says when it was asked."""

    _asked: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        self._asked.set()
        await asyncio.sleep(60)


@pytest.mark.anyio
async def test_open_runs_are_settled_when_the_task_is_cancelled(
    database: Database, store: RunStore
) -> None:
    """LangChain tells the root alone; the call below is closed with it."""
    model = SlowModel(replies=[])
    task = asyncio.create_task(recorded(model, make_handler(store)).ainvoke(REQUEST))
    await model._asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    runs = await asyncio.to_thread(all_runs, database)
    cut = [run.status for run in runs if run.run_type == "llm" or run.name in {"assistant", "chat"}]
    assert {run.status for run in runs} == {"done", "cancelled"}
    assert cut == ["cancelled"] * 3


@pytest.mark.anyio
async def test_stream_is_cancelled_when_its_reader_leaves(
    database: Database, store: RunStore
) -> None:
    """Breaking off a stream settles everything below it."""
    graph = recorded(ScriptedChatModel(replies=[reply("one two three four")]), make_handler(store))
    stream: Any = graph.astream(REQUEST, stream_mode="messages")
    async for _ in stream:
        break
    await stream.aclose()
    runs = await asyncio.to_thread(roots_and_calls, database)
    assert {run.status for run in runs} == {"cancelled"}


def test_late_call_belongs_to_its_root_when_its_node_has_ended(
    database: Database, store: RunStore
) -> None:
    """A thread may be slow to tell of a start; by then node and root are gone."""
    handler = make_handler(store)
    root, node, call = uuid4(), uuid4(), uuid4()
    handler.begin(root, name="assistant", owner=Owner("u1"), metadata={})
    handler.on_chain_start(None, {}, run_id=root)
    handler.on_chain_start(None, {}, run_id=node, parent_run_id=root)
    handler.close(root, asyncio.CancelledError())
    handler.on_chat_model_start(None, [[HumanMessage("hi")]], run_id=call, parent_run_id=node)
    handler._writer.wait()
    runs = all_runs(database)
    assert {run.root_run_id for run in runs} == {str(root)}
    assert [run.status for run in runs] == ["cancelled"] * 3
    assert not handler._open


def test_graph_has_its_own_root_when_it_runs_inside_a_chain(
    database: Database, store: RunStore
) -> None:
    """Below somebody else's chain the graph's run is our root, and everything is settled."""
    question: Any = {"messages": [HumanMessage("skip the plan and give me the code")]}
    model = ScriptedChatModel(replies=[reply('{"prompt_type": "chat"}'), reply("Hi.")])
    chain: Any = RunnableLambda(lambda _: question) | recorded(model, make_handler(store))
    chain.invoke("x")
    root, *calls = roots_and_calls(database)
    assert (root.run_type, root.status) == ("chain", "done")
    assert root.parent_run_id is not None
    assert {(call.root_run_id, call.prompt_type) for call in calls} == {(root.run_id, "chat")}


def test_handler_records_a_bare_model_when_used_in_any_chain(store: RunStore) -> None:
    """Outside of a graph a call is its own trace."""
    model = ScriptedChatModel(replies=[reply("Hi.")])
    model.invoke("hello", config={"callbacks": [make_handler(store)]})
    (run,) = store.latest(1)
    assert run.root_run_id == run.run_id
    assert run.model_asked == "openai:gpt-4o"


def test_rows_are_not_doubled_when_two_handlers_listen(store: RunStore) -> None:
    """The run's id is the key."""
    model = ScriptedChatModel(replies=[reply("Hi.")])
    model.invoke("hello", config={"callbacks": [make_handler(store), make_handler(store)]})
    assert len(store.latest(10)) == 1


@pytest.mark.parametrize("records_url", ["sqlite"], indirect=True)
def test_run_fails_when_it_cannot_be_recorded(database: Database, store: RunStore) -> None:
    """Nothing is answered without its record."""
    graph = recorded(ScriptedChatModel(replies=[reply("Hi.")]), make_handler(store))
    with database.begin() as session:
        session.connection().exec_driver_sql("DROP TABLE runs")
    with pytest.raises(StorageError, match="cannot be used"):
        graph.invoke(REQUEST)
