"""The graph's own picture in a notebook, drawn by the front end instead of a web service."""

from typing import Any

from langgraph.graph.state import CompiledStateGraph

from graphs.context import Context
from graphs.state import Input, State


class DrawnGraph(CompiledStateGraph[State, Context, Input, State]):
    """A compiled graph that displays offline; LangGraph's asks mermaid.ink for a picture."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        drawing = self.get_graph().draw_mermaid()
        # The type that JupyterLab draws itself; other front ends show the text.
        return {"text/vnd.mermaid": drawing, "text/plain": drawing}


def draw_offline(graph: CompiledStateGraph[State, Context, Input, State]) -> DrawnGraph:
    """Return the same graph with a display that needs no network."""
    parts = {name: part for name, part in vars(graph).items() if name != "__orig_class__"}
    return DrawnGraph(**parts)
