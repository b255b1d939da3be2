"""The edges, all of them; the nodes are in files of their own names."""

from functools import partial
from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from graphs.chat import answer
from graphs.check import check_code, check_plan
from graphs.codegen import write_code
from graphs.context import Context, Services
from graphs.drawing import draw_offline
from graphs.node import Body, Node
from graphs.planner import plan
from graphs.retrieve import retrieve
from graphs.router import classify
from graphs.state import Input, State

AssistantGraph = CompiledStateGraph[State, Context, Input, State]

MAX_ATTEMPTS = 2
"""Drafts per request: the first, and one repair round."""

_WRITERS: dict[str, Literal["planner", "chat", "codegen"]] = {
    "planning": "planner",
    "chat": "chat",
    "codegen": "codegen",
}


def route_request(state: State) -> Literal["planner", "chat", "codegen"]:
    """Send a grounded request to the node that serves its kind."""
    return _WRITERS[state["prompt_type"]]


def route_plan(state: State) -> Literal["planner", "__end__"]:
    """Send a faulty draft back for its one repair round."""
    return "planner" if _may_repair(state) else "__end__"


def route_code(state: State) -> Literal["codegen", "__end__"]:
    """Send a faulty draft back for its one repair round."""
    return "codegen" if _may_repair(state) else "__end__"


def build_graph(services: Services, *, checkpointer: Checkpointer = None) -> AssistantGraph:
    """Compile the graph; without a checkpointer it forgets, and whoever runs it may give one."""
    builder: StateGraph[State, Context, Input, State] = StateGraph(
        State, context_schema=Context, input_schema=Input
    )
    nodes: dict[str, Body] = {
        "router": partial(classify, services=services),
        "retrieve": partial(retrieve, services=services),
        "planner": partial(plan, services=services),
        "check_plan": check_plan,
        "chat": partial(answer, services=services),
        "codegen": partial(write_code, services=services),
        "check_code": partial(check_code, services=services),
    }
    for name, body in nodes.items():
        builder.add_node(name, Node(name, body))
    builder.add_edge(START, "router")
    builder.add_edge("router", "retrieve")
    builder.add_conditional_edges("retrieve", route_request)
    builder.add_edge("planner", "check_plan")
    builder.add_conditional_edges("check_plan", route_plan)
    builder.add_edge("codegen", "check_code")
    builder.add_conditional_edges("check_code", route_code)
    builder.add_edge("chat", END)
    return draw_offline(builder.compile(checkpointer=checkpointer, name="assistant"))


def _may_repair(state: State) -> bool:
    return bool(state["findings"]) and state["attempts"] < MAX_ATTEMPTS
