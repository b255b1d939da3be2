"""One trace a request at LangSmith: complete, priced, and without a word where nobody consented."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langsmith import traceable
from langsmith.run_helpers import get_current_run_tree
from pydantic import PrivateAttr, SecretStr

from agent.errors import AssistantError
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.tracing import Tracer
from agent.settings import Settings
from graphs.build import AssistantGraph, build_graph
from tests.fakes import ScriptedChatModel, Shelf, make_services, reply, source
from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.running import running

KEY = "lsv2_pt_0123456789abcdef"
REQUEST: Any = {"messages": [HumanMessage("what is a zanzibar-request dict")]}
CONFIG: RunnableConfig = {
    "run_name": "zanzibar-name",
    "tags": ["zanzibar-tag"],
    "metadata": {
        "thread_id": "t1",
        "task_type": "zanzibar of mine",
        "note": "zanzibar-note",
        "price_reference": "zanzibar-price",
        "usage_metadata": {"zanzibar-usage": 1, "input_token_details": {"zanzibar-detail": 1}},
    },
    "configurable": {"hobby": "zanzibar-hobby"},
}
STOP = {"finish_reason": "stop"}
COSTS = {"input_cost": 0.0025, "output_cost": 0.005, "total_cost": 0.0075}


@contextmanager
def tracer_to(base: str, **changes: Any) -> Iterator[Tracer]:
    """Open a tracer with the settings of an operator; only `u1` has consented."""
    settings = Settings(langsmith_endpoint=base, langsmith_api_key=SecretStr(KEY))
    options = {
        "owner_of": lambda _: Owner("u1"),
        "has_consent": lambda owner: owner.user_id == "u1",
        "redactor_of": lambda _: Redactor(),
        **changes,
    }
    tracer = Tracer.open(settings, prices=PriceList(), **options)
    try:
        yield tracer
    finally:
        tracer.close()


def traced(tracer: Tracer, *replies: Any) -> AssistantGraph:
    """Make a graph that is traced; its one source holds a planted word."""
    model = ScriptedChatModel(replies=list(replies) or [reply("A zanzibar-reply map [1].")])
    shelf = Shelf([source(passage="zanzibar-passage")])
    return build_graph(make_services(model, shelf=shelf)).with_config({"callbacks": [tracer]})


def check_trees(server: LangSmithServer, *, traces: int = 1) -> None:
    """Check that nothing is missing: every run has its end, its parent and its root."""
    roots = [run for run in server.runs.values() if "parent_run_id" not in run]
    assert len(roots) == traces
    for run in server.runs.values():
        assert run["end_time"], run["name"]
        assert run.get("parent_run_id", run["id"]) in server.runs
        assert server.runs[run["trace_id"]] in roots
        assert run["dotted_order"].startswith(server.runs[run["trace_id"]]["dotted_order"])


def check_forgotten(tracer: Tracer) -> None:
    """Check that no request is remembered."""
    maps = (tracer.run_map, tracer.order_map, tracer.client.consents, tracer._external_run_ids)
    assert [*maps, tracer.run_has_token_event_map] == [{}] * 5


def call_of(server: LangSmithServer) -> dict[str, Any]:
    """Return the one model call."""
    (call,) = [run for run in server.runs.values() if run["run_type"] == "llm"]
    return call


@pytest.mark.parametrize("zstd", [True, False])
@pytest.mark.parametrize("user_id", ["u1", "u2"])
def test_trace_is_complete_and_priced_when_a_request_ends(user_id: str, *, zstd: bool) -> None:
    """The tree is the same with and without consent: names, kinds, ids, times, tokens, cost."""
    server = LangSmithServer(zstd=zstd)
    with running(server.app) as base, tracer_to(base, owner_of=lambda _: Owner(user_id)) as tracer:
        traced(tracer).invoke(REQUEST)
        check_forgotten(tracer)
    check_trees(server)
    call = call_of(server)
    names = {"assistant", "router", "retrieve", "chat", "ScriptedChatModel"}
    assert names <= {run["name"] for run in server.runs.values()}
    assert {run["session_name"] for run in server.runs.values()} == {"assignment-assistant"}
    assert usage_of(call) == {
        "input_tokens": 1_000,
        "output_tokens": 500,
        "total_tokens": 1_500,
        **COSTS,
    }
    metadata = call["extra"]["metadata"]
    assert metadata["user_id"] == user_id
    assert (metadata["ls_provider"], metadata["ls_model_name"]) == ("openai", "gpt-4o")
    assert (metadata["prompt"], metadata["task_type"]) == ("chat/v1", "chat_answer")
    assert "openai:gpt-4o" in metadata["price_reference"]
    assert server.keys == {KEY}


def test_cost_stands_in_both_places_when_text_is_sent() -> None:
    """The reply's own usage has it too, and the reply that the graph hands on has not."""
    server = LangSmithServer()
    with running(server.app) as base, tracer_to(base) as tracer:
        message = tracer_reply = reply("A map.")
        traced(tracer, message).invoke(REQUEST)
    (generation,) = call_of(server)["outputs"]["generations"][0]
    assert generation["message"]["kwargs"]["usage_metadata"] == usage_of(call_of(server))
    assert "total_cost" not in (tracer_reply.usage_metadata or {})


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (AIMessage("Hi.", response_metadata=STOP), "unknown: the server reported no usage"),
        (reply("Hi.", model_name="zeta-1"), "unknown: no price for openai:zeta-1"),
    ],
)
@pytest.mark.parametrize("user_id", ["u1", "u2"])
def test_no_cost_is_sent_when_the_price_is_unknown(
    answer: AIMessage, reference: str, user_id: str
) -> None:
    """Unknown is no cost with a reason, never 0."""
    server = LangSmithServer()
    with running(server.app) as base, tracer_to(base, owner_of=lambda _: Owner(user_id)) as tracer:
        traced(tracer, answer).invoke(REQUEST)
    assert not COSTS.keys() & usage_of(call_of(server)).keys()
    assert call_of(server)["extra"]["metadata"]["price_reference"] == reference


def test_cost_stays_zero_when_the_reply_came_from_a_cache() -> None:
    """LangChain marks such a reply with a cost of 0."""
    server = LangSmithServer()
    cached = reply("Hi.")
    cached.usage_metadata = {**(cached.usage_metadata or {}), "total_cost": 0}  # type: ignore[assignment]  # as LangChain's cache does
    with running(server.app) as base, tracer_to(base) as tracer:
        traced(tracer, cached).invoke(REQUEST)
    assert usage_of(call_of(server))["total_cost"] == 0
    assert call_of(server)["extra"]["metadata"]["price_reference"] == "stated in the reply"


def _break_off(stream: Any) -> None:
    next(stream, None)
    stream.close()


async def _run(graph: AssistantGraph, how: str, config: RunnableConfig) -> None:
    """Run the graph in one of the ways that a caller has."""
    if how == "invoke":
        await asyncio.to_thread(graph.invoke, REQUEST, config)
    elif how == "ainvoke":
        await graph.ainvoke(REQUEST, config)
    elif how == "stream":
        await asyncio.to_thread(lambda: list(graph.stream(REQUEST, config)))
    elif how == "stream broken off":
        await asyncio.to_thread(_break_off, graph.stream(REQUEST, config, stream_mode="messages"))
    elif how == "astream":
        async for _ in graph.astream(REQUEST, config, stream_mode="messages"):
            pass
    else:
        async for _ in graph.astream(REQUEST, config, stream_mode="messages"):
            break


WAYS = ["invoke", "ainvoke", "stream", "stream broken off", "astream", "astream broken off"]


@pytest.mark.anyio
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("user_id", ["u1", "u2"])
@pytest.mark.parametrize("fails", [False, True])
async def test_no_word_is_sent_when_nobody_consented(
    how: str, user_id: str, *, fails: bool
) -> None:
    """Whatever the way and the end; with consent the same words are found, each of them."""
    server = LangSmithServer()
    replies = [RuntimeError(f"zanzibar-error with {KEY} and sk-proj-0123456789abcdef")]
    with running(server.app) as base, tracer_to(base, owner_of=lambda _: Owner(user_id)) as tracer:
        graph = traced(tracer, *(replies if fails else ()))
        with suppress(RuntimeError, AssistantError):
            await _run(graph, how, CONFIG)
        for _ in range(100):  # a stream that was broken off ends when the loop finds the time
            if not tracer.client.consents:
                break
            await asyncio.sleep(0.02)
        await asyncio.to_thread(tracer.close)
        check_forgotten(tracer)
    check_trees(server)
    sent = b"".join(server.bodies)
    assert (b"zanzibar" in sent) == (user_id == "u1")
    assert KEY.encode() not in sent
    assert b"0123456789abcdef" not in sent
    planted = [b"request", b"tag", b"name", b"note", b"hobby", b"passage"]
    planted += [b"error"] if fails else [b"reply"] * ("broken" not in how)
    assert [word for word in planted if b"zanzibar-" + word not in sent] == (
        planted if user_id == "u2" else []
    )
    if fails:
        kinds = {(run.get("error") or "").partition("\n")[0] for run in server.runs.values()}
        assert "RuntimeError" in kinds
    if user_id == "u2":
        allowed = {"usage_metadata", "price_reference", "thread_id", "task_type", "ls_provider"}
        assert allowed >= call_of(server)["extra"]["metadata"].keys() & {*allowed, "note", "hobby"}
        assert {"name", "time"} >= {
            key for run in server.runs.values() for e in run["events"] for key in e
        }


class _Waiting(ScriptedChatModel):
    """A model whose reply never comes."""

    _asked: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        self._asked.set()
        await asyncio.sleep(60)


async def _cancelled(tracer: Tracer) -> None:
    """Cancel a request once its model was asked."""
    model = _Waiting(replies=[])
    graph = build_graph(make_services(model)).with_config({"callbacks": [tracer]})
    task = asyncio.create_task(graph.ainvoke(REQUEST))
    await model._asked.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.anyio
@pytest.mark.parametrize("user_id", ["u1", "u2"])
async def test_model_call_ends_when_its_request_is_cancelled(user_id: str) -> None:
    """LangChain says nothing of such a call; it ends with its root."""
    server = LangSmithServer()
    with running(server.app) as base, tracer_to(base, owner_of=lambda _: Owner(user_id)) as tracer:
        await _cancelled(tracer)
        check_forgotten(tracer)
        await asyncio.to_thread(tracer.close)
    check_trees(server)
    assert call_of(server)["error"].startswith("CancelledError")


def test_start_comes_to_nothing_when_its_root_has_ended() -> None:
    """A start that was on its way in a thread opens no run that would never end."""
    server = LangSmithServer()
    with running(server.app) as base, tracer_to(base) as tracer:
        root, late, never = uuid4(), uuid4(), uuid4()
        tracer.on_chain_start({}, {}, run_id=root, name="assistant")
        tracer.cancel(root)
        tracer.on_chain_start({}, {}, run_id=late, parent_run_id=root, name="late")
        tracer.on_llm_new_token("word", run_id=late)
        tracer.cancel(never)
        tracer.on_chain_start({}, {}, run_id=never, name="never")
        check_forgotten(tracer)
    assert server.runs.keys() == {str(root)}
    check_trees(server)


def test_nothing_is_remembered_when_many_requests_have_ended() -> None:
    """Memory does not grow with the requests, neither with those that fail."""
    server = LangSmithServer()
    with running(server.app) as base, tracer_to(base) as tracer:
        graph = traced(tracer, *[reply("Hi."), RuntimeError()] * 20)
        for _ in range(40):
            with suppress(RuntimeError, AssistantError):
                graph.invoke(REQUEST)
        check_forgotten(tracer)
        tracer._remember(uuid4() for _ in range(20_000))
        assert len(tracer._ended) == 10_000
    check_trees(server, traces=40)


@pytest.mark.anyio
async def test_each_keeps_to_his_own_consent_when_two_ask_at_once() -> None:
    """Also below one outer `@traceable`, whose trace both belong to."""
    server = LangSmithServer()
    people = {uuid4(): Owner("u1"), uuid4(): Owner("u2")}
    with running(server.app) as base, tracer_to(base, owner_of=people.__getitem__) as tracer:
        graph = traced(tracer)

        @traceable(client=tracer.client, enabled=True)
        async def both() -> None:
            config: list[RunnableConfig] = [
                {"run_id": run_id, "metadata": {"user_id": "u1"}} for run_id in people
            ]
            await asyncio.gather(*(graph.ainvoke(REQUEST, one) for one in config))

        await both()
        check_forgotten(tracer)
        await asyncio.to_thread(tracer.close)
    check_trees(server)
    (outer,) = [run for run in server.runs.values() if "parent_run_id" not in run]
    roots = [run for run in server.runs.values() if run.get("parent_run_id") == outer["id"]]
    by_user = {run["extra"]["metadata"]["user_id"]: run for run in roots}
    assert "zanzibar-request" in repr(by_user["u1"]["inputs"])
    assert by_user["u2"]["inputs"] == {}
    assert not [
        run
        for run in server.runs.values()
        if by_user["u2"]["id"] in run["dotted_order"] and "zanzibar" in repr(run)
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("user_id", ["u1", "u2"])
async def test_traceable_nests_when_called_in_a_run(user_id: str) -> None:
    """Events are taken in threads, and a node finds its run all the same; consent covers it."""
    server = LangSmithServer()

    @traceable
    async def inner(text: str) -> str:
        assert get_current_run_tree() is not None
        return text

    async def outer(text: str) -> str:
        return str(await inner(text))

    with running(server.app) as base, tracer_to(base, owner_of=lambda _: Owner(user_id)) as tracer:
        chain = RunnableLambda(outer).with_config({"callbacks": [tracer]})
        assert await chain.ainvoke("zanzibar") == "zanzibar"
        check_forgotten(tracer)
        await asyncio.to_thread(tracer.close)
    check_trees(server)
    assert len(server.runs) == 2
    assert (b"zanzibar" in b"".join(server.bodies)) == (user_id == "u1")


@pytest.mark.anyio
async def test_loop_is_not_blocked_when_consent_is_looked_up() -> None:
    """A lookup reads a database; that happens in a thread."""
    server = LangSmithServer()

    def has_consent(owner: Owner) -> bool:
        time.sleep(0.01)
        return owner.user_id == "u1"

    with running(server.app) as base, tracer_to(base, has_consent=has_consent) as tracer:
        graph = traced(tracer)
        with blockbuster_ctx():
            await graph.ainvoke(REQUEST)
        await asyncio.to_thread(tracer.close)
    check_trees(server)


def test_no_word_is_sent_when_consent_cannot_be_looked_up() -> None:
    """A broken database stops neither the request nor the skeleton."""
    server = LangSmithServer()

    def has_consent(owner: Owner) -> bool:
        raise OSError(owner.user_id)

    with running(server.app) as base, tracer_to(base, has_consent=has_consent) as tracer:
        assert traced(tracer).invoke(REQUEST)["messages"]
    check_trees(server)
    assert b"zanzibar" not in b"".join(server.bodies)


@pytest.mark.parametrize("outage", ["refuses connections", "never answers", "503", "401"])
def test_request_is_unaffected_when_langsmith_is_out(outage: str) -> None:
    """The answer comes as quickly as ever, and closing takes seconds, not minutes."""
    server = LangSmithServer()
    with running(server.app) as base, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if outage == "never answers":
            silent.listen()
        if outage.isdigit():
            server.status = int(outage)
        place = base if outage.isdigit() else f"http://127.0.0.1:{silent.getsockname()[1]}"
        with tracer_to(place) as tracer:
            graph = traced(tracer)
            started = time.monotonic()
            for _ in range(20):
                assert graph.invoke(REQUEST)["messages"]
            assert time.monotonic() - started < 4
            started = time.monotonic()
            tracer.close()
            assert time.monotonic() - started < 6
