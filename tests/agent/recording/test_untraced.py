"""A whole process with LangSmith's tracing on: no word without consent, no trace twice, an end."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.blocking import Assistant
from agent.settings import Settings
from tests.agent.test_assistant import NOTE
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

PROBE = """
import asyncio, sys
from langchain_core.tracers.langchain import wait_for_all_tracers
from agent import Assistant

SECRET = "what is a zanzibar-secret dict"
with Assistant() as assistant:
    if sys.argv[1] == "consent":
        assistant.stores.consent.decide(assistant.stores.user_id, "given", door="terminal")
    if sys.argv[1] != "consent":
        question = {"messages": [("user", SECRET)]}
        assistant.graph.invoke(question)
        asyncio.run(assistant.graph.ainvoke(question))
        list(assistant.graph.stream(question))
    assistant.ask(SECRET)
wait_for_all_tracers()
"""

TRACED = """
import asyncio, sys
from agent.database import Database
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.recorder import Recorder
from agent.settings import load_settings
from graphs.build import build_graph
from tests.fakes import ScriptedChatModel, make_services, reply

answer, user_id = sys.argv[1:]
settings = load_settings()
recorder = Recorder(
    settings, Database.open(settings.records_url), default_owner=Owner(user_id),
    has_consent=lambda owner: owner.user_id == "u1", make_redactor=lambda _: Redactor(),
)
model = ScriptedChatModel(replies=[reply("Hi.")])
graph = recorder.record(build_graph(make_services(model)))
question = {"messages": [("user", "what is a zanzibar-secret dict")]}
graph.invoke(question)
asyncio.run(graph.ainvoke(question))
list(graph.stream(question))
if answer == "close":
    recorder.close()
print("done", flush=True)
"""


@pytest.fixture(autouse=True)
def _tracing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch LangSmith's tracing on as its manual says."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "ls-test")


def run_probe(probe: str, *arguments: str) -> None:
    """Run a script in a process of its own, which reads its environment anew."""
    command = [sys.executable, "-c", probe, *arguments]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3], timeout=60)


@pytest.mark.parametrize(("consent", "is_sent"), [("none", False), ("consent", True)])
def test_text_is_sent_only_with_consent_when_tracing_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consent: str, *, is_sent: bool
) -> None:
    """Whoever invokes the graph: the text of those who have not consented stays here."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(Settings(data_dir=tmp_path / "data", langsmith_tracing=False)) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
    server = LangSmithServer()
    with running(server.app) as base:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        run_probe(PROBE, consent)
    sent = b"".join(server.bodies)
    assert (b"zanzibar-secret" in sent) == is_sent


@pytest.mark.parametrize(
    ("how", "user_id"),
    [
        *(("exit", "u1"), ("close", "u2")),
        *(
            pytest.param(*other, marks=pytest.mark.slow)
            for other in (("close", "u1"), ("exit", "u2"))
        ),
    ],
)
def test_one_trace_is_sent_when_the_environment_asks_for_another(
    monkeypatch: pytest.MonkeyPatch, how: str, user_id: str
) -> None:
    """Ours alone is sent, although LangChain would add its own; at exit nothing is lost."""
    server = LangSmithServer()
    with running(server.app) as base:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        run_probe(TRACED, how, user_id)
    roots = [run for run in server.runs.values() if "parent_run_id" not in run]
    assert len(roots) == 3
    assert all(run["end_time"] for run in server.runs.values())
    assert (b"zanzibar-secret" in b"".join(server.bodies)) == (user_id == "u1")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["close", "exit"])
def test_process_ends_when_langsmith_never_answers(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Closed or not, a process ends seconds after its work."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        run_probe(TRACED, how, "u1")
        assert time.monotonic() - started < 25
