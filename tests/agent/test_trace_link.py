"""The terminal says where LangSmith shows a request, and says nothing where it cannot."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from tests.agent.recording.test_langsmith import CLOUD, cloud
from tests.agent.test_assistant import BRIEF, NOTE
from tests.agent.test_record_commands import SAMPLES
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

QUESTION = "How do I count words in Python?"
PLACE = "https://eu.smith.langchain.com/o/t-1/projects/p/p-1/r"

Assist = Callable[..., Result]


@pytest.fixture
def assist(tmp_path: Path) -> Assist:
    """Run a command, where there is something to answer from."""

    def run(*arguments: str | Path) -> Result:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return done

    note = tmp_path / "note.md"
    note.write_text(NOTE, "utf-8")
    run("index", "add", note)
    return run


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmithServer]:
    """LangSmith's cloud, to which traces go."""
    server = LangSmithServer()
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", CLOUD)
    monkeypatch.setenv("LANGSMITH_API_KEY", "ls-key")
    with cloud(monkeypatch, server):
        yield server


def links(result: Result) -> list[str]:
    """Return the links that a command printed."""
    return [line for line in result.stdout.splitlines() if "Trace:" in line]


def test_link_is_printed_when_a_request_is_traced(
    assist: Assist, sink: LangSmithServer, tmp_path: Path
) -> None:
    """Below every kind of answer, to the root that has arrived; JSON stays as it is."""
    brief = tmp_path / "brief.md"
    brief.write_text(BRIEF, "utf-8")
    shown = [assist("ask", QUESTION), assist("plan", brief), assist("code", QUESTION)]
    roots = [run["id"] for run in sink.runs.values() if "parent_run_id" not in run]
    assert [links(one) for one in shown] == [
        [f"Trace: {PLACE}/{run_id}?poll=true"] for run_id in roots if sink.runs[run_id]["end_time"]
    ]
    told = json.loads(assist("ask", QUESTION, "--json").stdout)
    assert links(assist("logs", "show", told["run_id"])) == [
        f"Trace: {PLACE}/{told['run_id']}?poll=true"
    ]
    (call,) = json.loads(assist("logs", "show", told["run_id"], "--json").stdout)
    run_id = call["metadata"]["run_id"]
    assert links(assist("logs", "show", run_id)) == [f"Trace: {PLACE}/{run_id}?poll=true"]


@pytest.mark.usefixtures("sink")
def test_no_link_is_printed_when_a_run_never_was_in_langsmith(assist: Assist) -> None:
    """What was imported stays here."""
    assist("logs", "import", SAMPLES)
    run_id = json.loads(assist("logs", "list", "--json").stdout)[0]["metadata"]["run_id"]
    assert "Processing Time" in assist("logs", "show", run_id).stdout
    assert links(assist("logs", "show", run_id)) == []


@pytest.mark.parametrize("fault", ["off", "down", "elsewhere"])
def test_no_link_is_printed_when_there_is_none(
    assist: Assist, sink: LangSmithServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The answer comes all the same, and nothing is said of it."""
    with running(sink.app) as base:
        sink.status = 503 if fault == "down" else None
        if fault == "off":
            monkeypatch.setenv("LANGSMITH_TRACING", "false")
        if fault == "elsewhere":
            monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        shown = assist("ask", QUESTION)
    assert "AI-generated" in shown.stdout
    assert links(shown) == []
    assert (sink.runs == {}) == (fault != "elsewhere")
