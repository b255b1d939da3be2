"""LangSmith's ambient tracer gets no word without consent, whoever invokes the graph."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.assistant import Assistant
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


@pytest.mark.parametrize(("consent", "is_sent"), [("none", False), ("consent", True)])
def test_text_is_sent_only_with_consent_when_tracing_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consent: str, *, is_sent: bool
) -> None:
    """Direct invocations are never traced by LangChain; requests are, of those who consented."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(Settings(data_dir=tmp_path / "data")) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
    sink = LangSmithServer()
    with running(sink.app) as base:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", base)
        monkeypatch.setenv("LANGSMITH_API_KEY", "ls-test")
        monkeypatch.setenv("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")
        root = Path(__file__).parents[3]
        subprocess.run([sys.executable, "-c", PROBE, consent], check=True, cwd=root, timeout=60)
    sent = b"".join(sink.bodies)
    assert (b"zanzibar-secret" in sent) == is_sent
