"""The whole tree of a request stands in the record, however it was run and however it ended."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tracers import LangChainTracer
from langsmith import Client

from agent.database import Database
from agent.models.served import ServedModel
from agent.recording.handler import RecordingHandler
from agent.recording.recorded import record
from agent.recording.run_store import TEXTS, Run, RunStore
from benchmarks.complete import measure
from graphs.build import AssistantGraph, build_graph
from tests.agent.recording import shapes_of_graphs as shapes
from tests.fakes import ScriptedChatModel, Shelf, make_handler, make_services, reply, source
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

ROOT = Path(__file__).parents[3]
MAIL = "maria.lopez@gmail.com"
REQUEST: Any = {"messages": [HumanMessage(f"what is a dict? Write to {MAIL}")]}
NO_CLIENT: Any = None
"""What shapes get that use no LangSmith."""


@pytest.fixture
def reticent(database: Database) -> Iterator[RecordingHandler]:
    """A handler of a person who does not."""
    made = make_handler(RunStore(database), consent=False)
    yield made
    made._writer.close()


def assistant(handler: RecordingHandler, *replies: Any) -> AssistantGraph:
    """Make the assistant's own graph, with one source on its shelf."""
    services = make_services(
        ScriptedChatModel(replies=list(replies) or [reply("A map.")]), shelf=Shelf([source()])
    )
    return record(build_graph(services).with_config({"callbacks": [handler]}), handler._writer)


def run_shape(
    shape: Callable[[RunnableConfig, Client], None], handler: RecordingHandler
) -> list[Run]:
    """Run a shape and return its rows."""
    shape({"callbacks": [handler]}, NO_CLIENT)
    return rows(handler)


def rows(handler: RecordingHandler) -> list[Run]:
    """Read every row, each tree from its root down."""
    handler._writer.wait()
    with handler._writer._store._database.begin() as session:
        runs = session.query(Run).order_by(Run.dotted_order).all()
        session.expunge_all()
        return runs


def named(runs: Sequence[Run], name: str) -> Run:
    """Return the one run of a name."""
    (found,) = [run for run in runs if run.name == name]
    return found


def calls(runs: Sequence[Run]) -> list[Run]:
    """Return the model calls."""
    return [run for run in runs if run.run_type == "llm"]


def check_tree(runs: Sequence[Run]) -> None:
    """Check that every run hangs where it says, and that all have ended."""
    known = {run.run_id: run for run in runs}
    for run in runs:
        assert run.status != "started"
        if run.run_id != run.root_run_id:
            above = known[run.parent_run_id or ""]
            assert above.root_run_id == run.root_run_id
            assert (run.dotted_order or "").startswith(f"{above.dotted_order}.")


def test_assistant_is_a_tree_when_it_answers(handler: RecordingHandler) -> None:
    """The root, its nodes, the search below one and the model call below another."""
    assistant(handler).invoke(REQUEST)
    runs = rows(handler)
    check_tree(runs)
    assert [run.run_type for run in runs if run.name == "assistant"] == ["chain"]
    known = {run.run_id: run.name for run in runs}
    below = {run.name: known[run.parent_run_id or ""] for run in runs if run.run_type != "chain"}
    assert below == {"past_assignments": "retrieve", "ScriptedChatModel": "chat"}


def test_documents_are_kept_with_their_scores_when_searched(handler: RecordingHandler) -> None:
    """A search is worth opening: what was asked, what was found and how well it fits."""
    assistant(handler).invoke(REQUEST)
    search = named(rows(handler), "past_assignments")
    assert search.run_type == "retriever"
    assert "what is a dict" in json.loads(search.inputs or "")["query"]
    (found,) = json.loads(search.outputs or "")["documents"]
    assert found["page_content"] == "Use a dictionary to count the words."
    assert found["metadata"]["score"] == 0.5


def test_personal_data_is_replaced_everywhere_when_kept(handler: RecordingHandler) -> None:
    """No column of any run holds the address; its placeholder stands there."""
    assistant(handler, reply(f"Ask {MAIL}.")).invoke(REQUEST)
    runs = rows(handler)
    assert MAIL not in repr([vars(run) for run in runs])
    assert all("EMAIL" in (run.inputs or "") for run in runs if run.name in ("assistant", "chat"))
    assert "EMAIL" in (calls(runs)[0].response or "")


def test_tree_is_a_skeleton_when_nobody_consented(reticent: RecordingHandler) -> None:
    """The same runs with times and tokens, and no word of what was said."""
    assistant(reticent).invoke(REQUEST)
    runs = rows(reticent)
    check_tree(runs)
    assert {run.content for run in runs} == {"no consent"}
    for column in {*TEXTS} - {"tags", "attributes"}:
        assert {getattr(run, column) for run in runs} == {None}
    assert named(runs, "past_assignments").latency_ms is not None
    assert calls(runs)[0].input_tokens == 1_000
    assert "dict" not in repr([vars(run) for run in runs])


def test_words_of_a_caller_are_left_out_when_nobody_consented(reticent: RecordingHandler) -> None:
    """A name, a tag or a thread's id may be a sentence, and a key of metadata too."""
    config: RunnableConfig = {
        "run_name": "Zanzibar",
        "tags": ["Zanzibar", "my Zanzibar"],
        "metadata": {
            "thread_id": "in Zanzibar",
            "note": "Zanzibar",
            "Zanzibar": 1,
            "ls_temperature": "in Zanzibar",
            "session_id": "Zanzibar",
            "user_id": "Zanzibar",
        },
    }
    assistant(reticent).invoke(REQUEST, config)
    another: Any = RunnableLambda(lambda _: {"prompt_type": "my Zanzibar"})
    another.invoke("Zanzibar", {**config, "callbacks": [reticent]})
    FakeListLLM(responses=["Zanzibar"]).invoke("Zanzibar", {**config, "callbacks": [reticent]})
    assert "anzibar" not in repr([vars(run) for run in rows(reticent)])


def test_words_of_a_caller_are_redacted_when_kept(handler: RecordingHandler) -> None:
    """With consent a name, a tag or an id is read as any other text is."""
    config: RunnableConfig = {
        "run_name": MAIL,
        "tags": [MAIL],
        "metadata": {"thread_id": MAIL, "note": MAIL, MAIL: 1, "mine": "kept"},
    }
    assistant(handler).invoke(REQUEST, config)
    runs = rows(handler)
    assert MAIL not in repr([vars(run) for run in runs])
    assert all("EMAIL" in str(run.thread_id) for run in runs)
    assert (runs[0].attributes or {})["mine"] == "kept"


def test_tool_is_recorded_when_a_node_calls_it(handler: RecordingHandler) -> None:
    """What it was given, what it gave back, and below which node."""
    runs = run_shape(shapes.tools_in_a_node, handler)
    check_tree(runs)
    called = named(runs, "add")
    assert called.run_type == "tool"
    assert json.loads(called.inputs or "") == {"left": 2, "right": 3}
    assert json.loads(called.outputs or "")["output"]["content"] == "5"


def test_tool_calls_are_kept_when_a_model_asks_for_them(handler: RecordingHandler) -> None:
    """The reply of a call without words is what it wants done."""
    runs = run_shape(shapes.agent_with_tools, handler)
    check_tree(runs)
    first, second = calls(runs)
    (wanted,) = json.loads(first.outputs or "")["tool_calls"]
    assert (wanted["name"], wanted["args"]) == ("add", {"left": 2, "right": 3})
    assert (second.response, second.outputs) == ("5.", None)


def test_inner_graphs_hang_in_one_tree_when_nested(handler: RecordingHandler) -> None:
    """A graph as a node, and one that a node invokes."""
    runs = run_shape(shapes.graph_in_a_graph, handler)
    check_tree(runs)
    assert len({run.root_run_id for run in runs}) == 1
    assert max((run.dotted_order or "").count(".") for run in runs) == 5
    assert len(calls(runs)) == 2


@pytest.mark.parametrize("adopts", [True, False], ids=["sent", "not sent"])
@pytest.mark.parametrize("shape", [shapes.traced_inside, shapes.traced_in_a_node])
def test_request_is_one_when_langsmith_traces_inside(
    handler: RecordingHandler, shape: shapes.Shape, *, adopts: bool
) -> None:
    """A function that LangSmith's client sends is no row; what it calls hangs below the step."""
    handler._adopts = adopts
    server = LangSmithServer()
    with running(server.app) as base:
        client = Client(base, api_key="k")
        shape({"callbacks": [LangChainTracer(client=client), handler]}, client)
        client.flush()
        client.close()
    (root,) = {run.root_run_id for run in rows(handler)}
    known: set[str | None] = {None}
    for run in handler._writer._store.tree(root):
        assert run.parent_run_id in known
        assert (run.status, run.user_id) == ("done", "u1")
        known.add(run.run_id)
        if adopts and run.run_type == "llm":
            above = (run.dotted_order or "").split(".")[-2][-36:]
            assert above == server.runs[run.run_id]["parent_run_id"]


def test_each_input_has_a_tree_when_batched(handler: RecordingHandler) -> None:
    """Two questions are two requests."""
    runs = run_shape(shapes.batched, handler)
    check_tree(runs)
    assert len({run.root_run_id for run in runs}) == 2
    assert [run.run_type for run in runs] == ["chain", "prompt", "llm"] * 2


def test_run_is_done_and_paused_when_a_person_has_to_decide(handler: RecordingHandler) -> None:
    """Stopping is no error; what goes on later is a request of its own."""
    runs = run_shape(shapes.stopped_for_a_person, handler)
    check_tree(runs)
    told = [(run.name, run.status, run.paused, run.error) for run in runs]
    assert told == [
        ("LangGraph", "done", True, None),
        ("ask", "done", True, None),
        ("LangGraph", "done", None, None),
        ("ask", "done", None, None),
    ]


def test_everything_is_cancelled_when_the_task_is(handler: RecordingHandler) -> None:
    """The root and what was open below it."""
    runs = run_shape(shapes.cancelled, handler)
    check_tree(runs)
    assert {(run.status, run.error) for run in runs} == {("cancelled", "CancelledError")}
    assert {run.outputs for run in runs} == {None}


def test_partial_text_is_kept_when_a_stream_is_left(handler: RecordingHandler) -> None:
    """What was read before the reader left, and that it was not all."""
    runs = run_shape(shapes.stream_broken_off, handler)
    check_tree(runs)
    (call,) = calls(runs)
    assert (call.status, call.error, call.response) == ("cancelled", "CancelledError", "one ")


def test_partial_text_is_kept_when_it_came_in_blocks(handler: RecordingHandler) -> None:
    """Some providers stream blocks in place of words."""
    run_id = uuid4()
    handler.on_chat_model_start(None, [[HumanMessage("hi")]], run_id=run_id)
    handler.on_llm_new_token([{"type": "text", "text": "one "}, "two", {"id": 1}], run_id=run_id)
    handler.on_llm_error(ValueError("cut"), run_id=run_id, response=LLMResult(generations=[]))
    (call,) = rows(handler)
    assert (call.status, call.response) == ("incomplete", "one two")


def test_inputs_are_recorded_when_a_chain_is_streamed(handler: RecordingHandler) -> None:
    """A stream tells only at its end what it was given."""
    root, *_ = run_shape(shapes.stream_that_ends_early, handler)
    assert json.loads(root.inputs or "") == shapes.ASKED


def test_step_is_recorded_when_it_has_no_name(handler: RecordingHandler) -> None:
    """LangGraph calls some steps nothing at all."""
    runs = run_shape(shapes.graph_async, handler)
    check_tree(runs)
    assert len(runs) == 6
    assert named(runs, "chain").tags == ["seq:step:3"]


def test_each_try_is_a_run_when_a_model_is_asked_again(handler: RecordingHandler) -> None:
    """The failed one too, for it may have been paid."""
    runs = run_shape(shapes.tried_again, handler)
    check_tree(runs)
    assert [(run.status, run.error) for run in calls(runs)] == [
        ("error", "ValueError"),
        ("done", None),
    ]


@pytest.mark.anyio
async def test_tries_are_numbered_when_the_assistant_asks_again(handler: RecordingHandler) -> None:
    """The assistant's own retries say which try a run was."""
    model = ScriptedChatModel(replies=[reply("A m", finish_reason=None), reply("A map.")])
    served = ServedModel("openai:gpt-4o", model, 100_000, 1_000, retries=1)
    await served.ask([HumanMessage("hi")], {"callbacks": [handler]})
    await handler._writer.wait_async()
    told = [((run.attributes or {})["attempt"], run.status) for run in _sync_rows(handler)]
    assert told == [(1, "incomplete"), (2, "done")]


def _sync_rows(handler: RecordingHandler) -> Sequence[Run]:
    return handler._writer._store.oldest_first()


def test_nothing_is_used_when_the_reply_comes_from_a_cache(handler: RecordingHandler) -> None:
    """A hit says so, costs nothing, and keeps the first one's figures apart."""
    model = ScriptedChatModel(replies=[reply("A map.")], cache=InMemoryCache())
    for _ in range(2):
        model.invoke("hello", {"callbacks": [handler]})
    asked, cached = rows(handler)
    assert (asked.cache, asked.input_tokens, asked.cost_nano_usd) == (None, 1_000, 7_500_000)
    assert (cached.cache, cached.input_tokens, cached.output_tokens) == ("hit", 0, 0)
    assert (cached.cost_nano_usd, cached.response) == (0, "A map.")
    assert (cached.usage_details or {})["input_tokens"] == 1_000


def test_rows_are_not_doubled_when_the_handler_is_given_twice(handler: RecordingHandler) -> None:
    """Once by whoever built the graph, once by whoever invokes it."""
    graph = assistant(handler)
    graph.invoke(REQUEST)
    once = len(rows(handler))
    graph.invoke(REQUEST, {"callbacks": [handler]})
    runs = rows(handler)
    check_tree(runs)
    assert len(runs) == 2 * once


def test_each_prompt_is_a_run_when_a_text_model_gets_several(handler: RecordingHandler) -> None:
    """A model that is no chat model has no roles."""
    runs = run_shape(shapes.text_model, handler)
    assert [(run.run_type, run.name, run.prompt, run.response) for run in runs] == [
        ("llm", "FakeListLLM", "a", "one"),
        ("llm", "FakeListLLM", "b", "two"),
    ]
    assert runs[0].message_roles is None


class Several(ScriptedChatModel):
    """Gives two replies to choose from."""

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        replies = [ChatGeneration(message=reply(text)) for text in ("one", "two")]
        return ChatResult(generations=replies)


def test_every_reply_is_kept_when_a_model_gives_several(handler: RecordingHandler) -> None:
    """The first is the reply; the others stand beside it."""
    Several(replies=[]).invoke("hello", {"callbacks": [handler]})
    (call,) = rows(handler)
    assert call.response == "one"
    assert json.loads(call.outputs or "") == {"others": ["two"]}


def test_call_is_settled_when_its_result_is_empty(handler: RecordingHandler) -> None:
    """Some failures come with a result without a single reply."""
    for result in (LLMResult(generations=[]), LLMResult(generations=[[]])):
        run_id = uuid4()
        handler.on_llm_start(None, ["a"], run_id=run_id)
        handler.on_llm_end(result, run_id=run_id)
    run_id = uuid4()
    handler.on_llm_start(None, ["a"], run_id=run_id)
    handler.on_llm_end(LLMResult(generations=[[Generation(text="b")]]), run_id=run_id)
    assert [run.response for run in rows(handler)] == ["", "", "b"]


@pytest.mark.parametrize("shape", shapes.SHAPES[:19], ids=lambda shape: shape.__name__)
def test_everything_ends_and_hangs_together_when_run(
    handler: RecordingHandler, shape: Callable[[RunnableConfig, Client], None]
) -> None:
    """Whatever the shape: no run is open, and each has its place."""
    check_tree(run_shape(shape, handler))
    assert not handler._open


def test_page_shows_the_tree_when_it_is_recorded(handler: RecordingHandler) -> None:
    """What docs/trace.md draws is what is there."""
    assistant(handler).invoke(REQUEST)
    lines = [
        f"{'  ' * (run.dotted_order or '').count('.')}{run.name}  {run.run_type}"
        for run in rows(handler)
    ]
    drawn = "\n".join(lines).replace("ScriptedChatModel", "ChatOpenAI")
    assert f"```text\n{drawn}\n```" in (ROOT / "docs" / "trace.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_call_has_a_row_when_requests_are_mixed() -> None:
    """Over HTTP, with failures, cuts and clients that leave, before and after consent."""
    found = measure(200, 16)
    assert found["faults"] == []
    assert found["provider_calls"] == found["llm_rows"]
    assert set(found["llm_states"]) == {"done", "error", "cancelled", "incomplete"}
    assert 0 < found["rows_with_text"] < found["rows"]
