"""What is searched for, what is attached, and what callbacks hear of it."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables.config import ensure_config

from graphs.build import build_graph
from graphs.context import Context
from graphs.retrieve import retrieve
from graphs.state import Assignment, State
from retrieval import IndexMissingError, Source
from tests.fakes import ScriptedChatModel, Shelf, make_services, reply, source

BRIEF = "Write a word counter with tests and a report."
KNOWN = Assignment(
    assignment_id="a", title="Student API", brief="Build it.", current_task="", tools=[]
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("state", "context", "asked"),
    [
        (
            {"prompt_type": "planning", "request": f"# Lab {BRIEF}"},
            Context(),
            (f"# Lab {BRIEF}", "", "plan"),
        ),
        (
            {"prompt_type": "planning", "request": "again"},
            Context(assignment=KNOWN),
            ("Build it.", "", "plan"),
        ),
        (
            {
                "prompt_type": "codegen",
                "request": "Write a function that reverses a string, please",
            },
            Context(course="cs101", assignment=KNOWN),
            ("Write a function that reverses a string, please", "cs101", "solution"),
        ),
        (
            {"prompt_type": "chat", "request": "And how is it tested?"},
            Context(assignment=KNOWN),
            ("And how is it tested?\nWhat is a JWT?\nStudent API", "", ""),
        ),
    ],
)
async def test_query_holds_what_is_needed_when_searched(
    state: dict[str, Any], context: Context, asked: tuple[str, str, str]
) -> None:
    """A short follow-up is searched with the question before it and the assignment's title."""
    shelf = Shelf()
    turns = [HumanMessage("What is a JWT?"), AIMessage("A token."), HumanMessage(state["request"])]
    services = make_services(ScriptedChatModel(replies=[]), shelf=shelf)
    await retrieve(State(messages=turns, **state), context, services=services)  # type: ignore[typeddict-item]
    assert shelf.asked == [asked]


@pytest.mark.anyio
async def test_earlier_assignment_text_is_left_out_when_searched() -> None:
    """A whole brief would drown the question that follows it."""
    shelf = Shelf()
    turns: list[AnyMessage] = [
        HumanMessage("brief " * 200),
        AIMessage("Planned."),
        HumanMessage("Why so long?"),
    ]
    state = State(messages=turns, request="Why so long?", prompt_type="chat")
    services = make_services(ScriptedChatModel(replies=[]), shelf=shelf)
    await retrieve(state, Context(), services=services)
    assert shelf.asked == [("Why so long?", "", "")]


class Heard(BaseCallbackHandler):
    """Remembers the nodes and the searches of a graph."""

    def __init__(self) -> None:
        self.nodes: dict[UUID, str] = {}
        self.asked: list[tuple[str, UUID, UUID | None]] = []
        self.found: list[list[Document]] = []
        self.errors: list[BaseException] = []

    def on_chain_start(self, *_: Any, run_id: UUID, name: str = "", **__: Any) -> None:
        """Note what a run is called."""
        self.nodes[run_id] = name

    def on_retriever_start(
        self,
        serialized: Any,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        """Note what is searched for, and below what."""
        self.asked.append((query, run_id, parent_run_id))

    def on_retriever_end(self, documents: Any, **_: Any) -> None:
        """Note what was found."""
        self.found.append(documents)

    def on_retriever_error(self, error: BaseException, **_: Any) -> None:
        """Note why nothing was found."""
        self.errors.append(error)


class WatchedShelf(Shelf):
    """A shelf that notes below which run it is asked, here and in a thread."""

    def __init__(self, *sources: Source) -> None:
        super().__init__(sources)
        self.below: list[UUID] = []

    async def __call__(
        self, query: str, *, course: str = "", attach: Literal["plan", "solution", ""] = ""
    ) -> list[Source]:
        """Note the run, and return the sources."""
        self.below += [_current_run(), await asyncio.to_thread(_current_run)]
        return await super().__call__(query, course=course, attach=attach)


def _current_run() -> UUID:
    parent: UUID = ensure_config()["callbacks"].parent_run_id  # type: ignore[union-attr,assignment]  # a manager
    return parent


def by_invoke(graph: Any, asked: Any, config: Any) -> dict[str, Any]:
    """Run a graph the way notebooks do."""
    values: dict[str, Any] = graph.invoke(asked, config)
    return values


def by_ainvoke(graph: Any, asked: Any, config: Any) -> dict[str, Any]:
    """Run a graph on an event loop."""
    values: dict[str, Any] = asyncio.run(graph.ainvoke(asked, config))
    return values


@pytest.mark.parametrize("run", [by_invoke, by_ainvoke])
def test_search_is_a_run_when_the_graph_runs(run: Callable[..., dict[str, Any]]) -> None:
    """Callbacks hear query and passages below the node; the state has the sources in full."""
    shelf, heard = WatchedShelf(source(plan="| t1 |"), source(2)), Heard()
    model = ScriptedChatModel(replies=[reply("See [1] and [2].")])
    graph = build_graph(make_services(model, shelf=shelf))
    question = "What is a dict, and what is it good for?"
    values = run(graph, {"messages": [("user", question)]}, {"callbacks": [heard]})
    ((asked, run_id, parent),) = heard.asked
    assert (asked, heard.nodes[parent or run_id]) == (question, "retrieve")
    assert shelf.below == [run_id, run_id]
    assert values["sources"] == shelf.sources
    first, second = heard.found[0]
    assert first.page_content == shelf.sources[0]["passage"]
    assert first.metadata == {
        "document_id": "doc-1",
        "title": "Past assignment 1",
        "section": "brief",
        "place": "past-1.md, Brief",
        "language": "python",
        "course": "",
        "score": 0.5,
        "parts": {"words": 0.3, "grams": 0.2, "meaning": 0.0, "vector": 0.0},
        "matched": ["words"],
        "number": 1,
    }
    assert second.metadata["number"] == 2


def test_search_is_a_run_that_failed_when_nothing_is_indexed() -> None:
    """The error is heard of, and leaves as it is."""

    class NoShelf(Shelf):
        """A shelf that fell down."""

        async def __call__(self, *_: Any, **__: Any) -> list[Source]:
            """Fail."""
            raise IndexMissingError("Nothing is indexed yet.")

    heard = Heard()
    graph = build_graph(make_services(ScriptedChatModel(replies=[]), shelf=NoShelf()))
    asked: Any = {"messages": [("user", "What is a dict?")]}
    with pytest.raises(IndexMissingError) as caught:
        graph.invoke(asked, {"callbacks": [heard]})
    assert heard.errors == [caught.value]
