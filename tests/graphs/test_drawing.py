"""The graph displays itself without asking anybody for a picture."""

import pytest
from langchain_core.messages import HumanMessage

from graphs.build import build_graph
from graphs.drawing import draw_offline
from tests.fakes import ScriptedChatModel, make_services, reply


def test_graph_is_drawn_when_there_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a copy with a config of its own; the text is drawn by the front end."""
    graph = draw_offline(build_graph(make_services(ScriptedChatModel(replies=[reply("Hi.")]))))
    monkeypatch.setattr("socket.socket", None)
    shown = graph.with_config(tags=["mine"])._repr_mimebundle_()
    assert set(shown) == {"text/vnd.mermaid", "text/plain"}
    assert "router --> retrieve;" in shown["text/vnd.mermaid"]


def test_graph_runs_as_before_when_drawn_offline() -> None:
    """Only its display is another."""
    model = ScriptedChatModel(replies=[reply("Use a dictionary.")])
    graph = draw_offline(build_graph(make_services(model)))
    values = graph.invoke({"messages": [HumanMessage("What is a hash map good for?")]})
    assert values["messages"][-1].text == "Use a dictionary."
