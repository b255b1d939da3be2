"""The shapes in which LangChain and LangGraph are used, each run once with the callbacks given.

What a shape raises on purpose stays in it, so that only what was traced can be compared.
"""

import asyncio
import operator
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from langsmith import Client, evaluate, traceable, tracing_context
from langsmith.schemas import Example
from pydantic import BaseModel, SecretStr
from typing_extensions import TypedDict, override

from agent.models.embeddings import ServedEmbeddings
from agent.settings import Settings
from tests.fakes import ScriptedChatModel, reply
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

Shape = Callable[[RunnableConfig, Client], None]
"""Runs something; the client is that of the stock tracer, for what LangSmith itself traces."""

ASKED = {"question": "what is a dict"}
PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])


class Text(TypedDict, total=False):
    """A state of one text."""

    text: str


class Parts(TypedDict, total=False):
    """A state of several texts that are put together."""

    texts: Annotated[list[str], operator.add]


class Verdict(BaseModel):
    """A reply of a fixed form."""

    is_good: bool


class Caller(ScriptedChatModel):
    """A scripted model that can be offered tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Runnable[Any, AIMessage]:
        """Take them; whether one is called stands in the script."""
        return self


class Shelf(BaseRetriever):
    """Finds two documents, whatever it is asked."""

    @override
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"page {n}", metadata={"score": n / 4, "title": "Maps"}) for n in (1, 2)]


@tool
def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


@tool
def fail(text: str) -> str:
    """Fail at what it is given."""
    raise ValueError(text)


def plain_chain(config: RunnableConfig, _: Client) -> None:
    """Run a prompt, a model and a parser."""
    (PROMPT | _model() | StrOutputParser()).invoke(ASKED, config)


def parallel_and_branch(config: RunnableConfig, _: Client) -> None:
    """Run steps side by side, and one of two."""
    branch: Any = RunnableBranch(
        (lambda given: "dict" in given["question"], PROMPT | _model()), PROMPT | _model("No.")
    )
    chain: Any = RunnableParallel(answer=branch, given=RunnablePassthrough())
    chain.invoke(ASKED, {**config, "tags": ["mine"], "run_name": "beside"})


def graph_with_an_edge_that_chooses(config: RunnableConfig, _: Client) -> None:
    """Run a graph whose path depends on its state."""
    _choosing().invoke({"text": "a"}, {**config, "metadata": {"thread_id": "t1"}})


def graph_async(config: RunnableConfig, _: Client) -> None:
    """Run the same graph on an event loop."""
    asyncio.run(_choosing().ainvoke({"text": "a"}, config))


def graph_streamed(config: RunnableConfig, _: Client) -> None:
    """Read a graph part by part, in several modes at once."""
    list(_choosing().stream({"text": "a"}, config, stream_mode=["updates", "values", "messages"]))


def graph_streamed_async(config: RunnableConfig, _: Client) -> None:
    """Read a graph on an event loop, and the events of another run of it."""

    async def read() -> None:
        async for _ in _choosing().astream({"text": "a"}, config, stream_mode="messages"):
            pass
        async for _ in _choosing().astream_events({"text": "a"}, config, version="v2"):
            pass

    asyncio.run(read())


def sent_to_several(config: RunnableConfig, _: Client) -> None:
    """Send parts of the work to copies of a node, and collect them."""
    builder = StateGraph(Parts)
    builder.add_node("split", lambda _: {})
    builder.add_node("write", lambda state: {"texts": [_model().invoke(state["texts"][0]).text]})
    builder.add_edge(START, "split")
    builder.add_conditional_edges(
        "split", lambda _: [Send("write", {"texts": [text]}) for text in "abc"], ["write"]
    )
    builder.compile().invoke({"texts": []}, config)


def tools_in_a_node(config: RunnableConfig, _: Client) -> None:
    """Call a tool by a `ToolNode`."""
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "tools")
    builder.compile().invoke({"messages": [HumanMessage("2 and 3?"), _calling()]}, config)


def agent_with_tools(config: RunnableConfig, _: Client) -> None:
    """Run LangChain's own agent until it needs no tool."""
    agent: Any = create_agent(Caller(replies=[_calling(), reply("5.")]), [add])
    agent.invoke({"messages": [HumanMessage("2 and 3?")]}, config)


def graph_in_a_graph(config: RunnableConfig, _: Client) -> None:
    """Run a graph as a node, and another one from within a node."""
    builder = StateGraph(Text)
    builder.add_node("inner", _choosing())
    builder.add_node("caller", lambda state: _choosing().invoke(state))
    builder.add_edge(START, "inner")
    builder.add_edge("inner", "caller")
    builder.compile().invoke({"text": "a"}, config)


def stopped_for_a_person(config: RunnableConfig, _: Client) -> None:
    """Stop for a person's decision, and go on with it."""
    builder = StateGraph(Text)
    builder.add_node("ask", lambda _: {"text": interrupt("may I?")})
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    thread: RunnableConfig = {**config, "configurable": {"thread_id": "t1"}}
    graph.invoke({"text": "a"}, thread)
    graph.invoke(Command(resume="yes"), thread)


def failing_node(config: RunnableConfig, _: Client) -> None:
    """Raise in a node, and in a model."""
    for failing in (_fail, lambda _: _failing_model().invoke("a")):
        builder = StateGraph(Text)
        builder.add_node("fail", failing)
        builder.add_edge(START, "fail")
        with suppress(ValueError):
            builder.compile().invoke({"text": "a"}, config)


def failing_tool(config: RunnableConfig, _: Client) -> None:
    """Raise in a tool, and in a retriever."""
    with suppress(ValueError):
        fail.invoke("a", config)

    class Broken(Shelf):
        @override
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            raise ValueError(query)

    with suppress(ValueError):
        Broken().invoke("maps", config)


def cancelled(config: RunnableConfig, _: Client) -> None:
    """Cancel the task while a model is asked."""

    async def start() -> None:
        asked = asyncio.Event()

        async def wait(_: Text) -> Text:
            asked.set()
            await asyncio.Event().wait()
            return {}

        builder: Any = StateGraph(Text)
        builder.add_node("wait", wait)
        builder.add_edge(START, "wait")
        task = asyncio.create_task(builder.compile().ainvoke({"text": "a"}, config))
        await asked.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(start())


def stream_broken_off(config: RunnableConfig, _: Client) -> None:
    """Leave a stream after its first part."""
    stream: Any = (PROMPT | _model("one two three")).stream(ASKED, config)
    next(stream)
    stream.close()


def stream_that_ends_early(config: RunnableConfig, _: Client) -> None:
    """Read a stream that ends without a reason."""
    cut = reply("one two", finish_reason=None)
    list((PROMPT | ScriptedChatModel(replies=[cut])).stream(ASKED, config))


def tried_again(config: RunnableConfig, _: Client) -> None:
    """Ask a model again that failed."""
    model = ScriptedChatModel(replies=[ValueError("busy"), reply("Hi.")])
    model.with_retry(wait_exponential_jitter=False).invoke("hello", config)


def fallen_back(config: RunnableConfig, _: Client) -> None:
    """Ask another model where one fails."""
    _failing_model().with_fallbacks([_model()]).invoke("hello", config)


def batched(config: RunnableConfig, _: Client) -> None:
    """Ask several things at once."""
    (PROMPT | _model()).batch([ASKED, {"question": "and a list"}], config)


def traced_outside(config: RunnableConfig, client: Client) -> None:
    """Run a graph in a function that LangSmith traces."""

    @traceable(client=client)
    def answer(text: str) -> str:
        return str(_choosing().invoke({"text": text}, config)["text"])

    with tracing_context(enabled=True):
        answer("a")


def traced_inside(config: RunnableConfig, client: Client) -> None:
    """Call a function that LangSmith traces, and a model below it."""

    @traceable(client=client)
    def inner(text: str) -> str:
        return _model().invoke(text).text

    with tracing_context(enabled=True):
        RunnableLambda(inner).invoke("a", config)


def traced_in_a_node(config: RunnableConfig, client: Client) -> None:
    """Run a node that LangSmith traces too, and below it a function and a chain."""

    @traceable(client=client)
    def inner(text: str) -> str:
        chain: Any = RunnableLambda(lambda asked: asked["question"]) | _model() | StrOutputParser()
        return str(chain.invoke({"question": text}))

    @traceable(client=client)
    def outer(state: Text) -> Text:
        return {"text": _model().invoke(inner(state["text"])).text}

    builder = StateGraph(Text)
    builder.add_node("read", lambda _: {})
    builder.add_node("write", outer)
    builder.add_edge(START, "read")
    builder.add_edge("read", "write")
    with tracing_context(enabled=True):
        builder.compile().invoke({"text": "a"}, config)


def evaluated(config: RunnableConfig, client: Client) -> None:
    """Run a chain over examples with LangSmith's evaluation."""
    example = Example(
        id=UUID("018f0000-0000-7000-8000-000000000001"),
        inputs=ASKED,
        outputs={"answer": "A map."},
    )
    chain = PROMPT | _model() | StrOutputParser()
    with warnings.catch_warnings(action="ignore"):  # that `upload_results` is new
        results = evaluate(
            lambda given: {"answer": chain.invoke(given, config)},
            data=[example],
            client=client,
            upload_results=False,
        )
        assert len(list(results)) == 1


def retriever(config: RunnableConfig, _: Client) -> None:
    """Search, and answer from what was found."""
    chain: Any = {"question": Shelf()} | PROMPT | _model()
    chain.invoke("maps", config)


def structured_output(config: RunnableConfig, _: Client) -> None:
    """Ask for a reply of a fixed form."""
    _model('{"is_good": true}').with_structured_output(Verdict).invoke("good?", config)


def text_model(config: RunnableConfig, _: Client) -> None:
    """Ask a model that is no chat model, two things in one call."""
    FakeListLLM(responses=["one", "two"]).generate(["a", "b"], callbacks=config["callbacks"])


def embedded(config: RunnableConfig, _: Client) -> None:
    """Ask a server for vectors, below a step."""
    with running(OpenAIServer().app) as base:
        settings = Settings(
            embeddings="openai:text-embedding-3-small",
            openai_base_url=f"{base}/v1",
            openai_api_key=SecretStr("sk-none"),
        )
        embeddings = ServedEmbeddings(settings)
        RunnableLambda(embeddings.embed_query).invoke("maps", config)
        embeddings.close()


SHAPES: tuple[Shape, ...] = (
    *(plain_chain, parallel_and_branch, graph_with_an_edge_that_chooses, graph_async),
    *(graph_streamed, graph_streamed_async, sent_to_several, tools_in_a_node, agent_with_tools),
    *(graph_in_a_graph, stopped_for_a_person, failing_node, failing_tool, cancelled),
    *(stream_broken_off, stream_that_ends_early, tried_again, fallen_back, batched),
    *(traced_outside, traced_inside, traced_in_a_node, evaluated, retriever, structured_output),
    *(text_model, embedded),
)


def _model(text: str = "A map.") -> ScriptedChatModel:
    return ScriptedChatModel(replies=[reply(text)], temperature=0.2)


def _failing_model() -> ScriptedChatModel:
    return ScriptedChatModel(replies=[ValueError("no")])


def _calling() -> AIMessage:
    call = {"name": "add", "args": {"left": 2, "right": 3}, "id": "call-1", "type": "tool_call"}
    return reply("", finish_reason="tool_calls").model_copy(update={"tool_calls": [call]})


def _fail(_: Any) -> Any:
    raise ValueError("no")


def _choosing() -> Any:
    """Make a graph in which a model writes where a step says so."""

    def write(state: Text) -> Text:
        return {"text": _model().invoke(state["text"]).text}

    async def awrite(state: Text) -> Text:
        return {"text": (await _model().ainvoke(state["text"])).text}

    builder = StateGraph(Text)
    builder.add_node("read", lambda _: {})
    builder.add_node("write", RunnableLambda(write, awrite))
    builder.add_node("rest", lambda _: {})
    builder.add_edge(START, "read")
    builder.add_conditional_edges(
        "read", lambda state: "write" if state["text"] else "rest", ["write", "rest"]
    )
    builder.add_edge("write", END)
    builder.add_edge("rest", END)
    return builder.compile(name="choosing")
