"""LangGraph Studio's own server runs the graph, and what runs there is recorded."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.schema import Context

from agent import studio
from agent.blocking import Assistant
from agent.errors import StorageError
from agent.recording.run_store import Run
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.test_assistant import BRIEF, NOTE
from tests.servers.running import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "studio.md"
LANGGRAPH = ROOT / ".venv-studio" / "bin" / "langgraph"
PATIENCE = 90
served = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Served:
    """A running server and where its records lie."""

    address: str
    client: SyncLangGraphClient
    settings: Settings

    @contextmanager
    def recorded(self) -> Iterator[list[Run]]:
        """Yield a list that is filled, at the end, with the model calls recorded meanwhile."""
        calls: list[Run] = []
        with opened(self.settings) as stores:
            before = {run.run_id for run in stores.runs.oldest_first()}
            yield calls
            calls += [run for run in stores.runs.oldest_first() if run.run_id not in before]


@contextmanager
def opened(settings: Settings) -> Iterator[Stores]:
    """Look into the stores, as another process does."""
    stores = Stores.open(settings)
    try:
        yield stores
    finally:
        stores.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`langgraph dev` on a data folder whose index holds one document."""
    if not LANGGRAPH.is_file():
        pytest.skip(f"{LANGGRAPH} is not installed; run: make .venv-studio/installed")
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(data_dir=folder / "data")
    (folder / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
    # The server finds the graph's file in its own folder; here no developer's `.env` lies.
    (folder / "agent").symlink_to(ROOT / "agent")
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "ASSIST_DATA_DIR": str(settings.data_dir),
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
    }
    port = free_port()
    options = ["--no-browser", "--no-reload", "--port", port, "--config", ROOT / "langgraph.json"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [LANGGRAPH, "dev", *map(str, options)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_ok(address, process, folder / "log")
            with get_sync_client(url=address, api_key=None) as client:
                yield Served(address, client, settings)
        finally:
            process.terminate()


def wait_until_ok(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ask `/ok` until the server answers."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/ok").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text('utf-8')[-2_000:]}")


def asking(text: str) -> dict[str, Any]:
    """Make the graph's input."""
    return {"messages": [{"role": "user", "content": text}]}


def check_settled(calls: Sequence[Run], settings: Settings) -> None:
    """Each call and its root are closed, under the local person, without their text."""
    with opened(settings) as stores:
        roots = [stores.runs.get(call.root_run_id) for call in calls]
        for run in (*calls, *roots):
            assert run is not None
            assert (run.status, run.user_id) == ("done", stores.user_id)
            assert (run.prompt, run.response) == (None, None)


class TestServed:
    """What a client of `langgraph dev` gets, and what it leaves behind."""

    pytestmark = served

    def test_call_is_recorded_once_when_a_run_is_waited_for(self, server: Served) -> None:
        """Stateless, as a script asks."""
        with server.recorded() as calls:
            values = server.client.runs.wait(
                None, "assistant", input=asking("How do I count words in Python?")
            )
        assert isinstance(values, dict)
        assert "most_common" in values["messages"][-1]["content"]
        assert [call.task_type for call in calls] == ["chat_answer"]
        check_settled(calls, server.settings)

    @pytest.mark.parametrize(
        ("text", "context", "tasks"),
        [
            ("hm, so what about it", None, ["routing", "chat_answer"]),
            (BRIEF, {"prompt_type": "planning"}, ["plan_generation"]),
        ],
    )
    def test_calls_are_recorded_once_each_when_streamed(
        self, server: Served, text: str, context: Context | None, tasks: list[str]
    ) -> None:
        """On a thread, as Studio asks: the rows are the model runs that the stream names."""
        thread_id = server.client.threads.create()["thread_id"]
        with server.recorded() as calls:
            stream = server.client.runs.stream(
                thread_id, "assistant", input=asking(text), context=context, stream_mode="events"
            )
            parts = list(stream)
        assert [part.data for part in parts if part.event == "error"] == []
        events = [part.data for part in parts if part.event == "events"]
        started = [e["run_id"] for e in events if e["event"] == "on_chat_model_start"]
        assert [call.run_id for call in calls] == started
        assert [call.task_type for call in calls] == tasks
        assert {call.thread_id for call in calls} == {thread_id}
        check_settled(calls, server.settings)

    def test_example_runs_when_copied_from_the_page(
        self, server: Served, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The client's `context` reaches the nodes as `Context`."""
        (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
        with server.recorded() as calls:
            exec(example.replace("http://127.0.0.1:2024", server.address), {})  # noqa: S102 - our own page
        assert capsys.readouterr().out.startswith("codegen {'files'")
        assert [call.task_type for call in calls] == ["code_generation"]

    @pytest.mark.parametrize(
        "claim",
        [
            {"metadata": {"user_id": "ann"}},
            {"config": {"metadata": {"user_id": "ann"}}},
        ],
    )
    def test_run_is_the_local_persons_when_a_client_names_another(
        self, server: Served, claim: dict[str, Any]
    ) -> None:
        """Nobody files a run under another name, or keeps text by another's consent."""
        with opened(server.settings) as stores:
            stores.consent.decide("ann", "given", door="terminal")
        with server.recorded() as calls:
            server.client.runs.wait(None, "assistant", input=asking("What is a dict?"), **claim)
        assert len(calls) == 1
        check_settled(calls, server.settings)

    def test_forms_can_be_drawn_when_studio_asks_for_them(self, server: Served) -> None:
        """Studio draws its forms from the schemas of input and context."""
        (assistant,) = server.client.assistants.search(graph_id="assistant")
        schemas = server.client.assistants.get_schemas(assistant["assistant_id"])
        assert "messages" in json.dumps(schemas["input_schema"])
        assert "prompt_type" in json.dumps(schemas["context_schema"])


@pytest.fixture
def _closed() -> Iterator[None]:
    """Close what the factory opened in this process."""
    yield
    if studio._assistant.cache_info().currsize:
        studio._assistant().close()
    studio._assistant.cache_clear()


@pytest.mark.anyio
@pytest.mark.usefixtures("_closed")
async def test_graph_is_opened_once_when_requests_come_together() -> None:
    """One assistant in a process, and the event loop is free while it opens."""
    with studio._OPENING:
        requests = asyncio.gather(studio.open_graph(), studio.open_graph())
        await asyncio.sleep(0.1)
        assert not requests.done()
    first, second = await requests
    assert first is second
    assert first.checkpointer is None


@pytest.mark.anyio
@pytest.mark.usefixtures("_closed")
async def test_graph_is_opened_when_it_failed_before(tmp_path: Path) -> None:
    """A store that is mended needs no new start."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "records.db").write_text("broken " * 100, "utf-8")
    with pytest.raises(StorageError):
        await studio.open_graph()
    (tmp_path / "data" / "records.db").unlink()
    assert (await studio.open_graph()).name == "assistant"


def test_nothing_is_opened_when_the_factory_is_imported(tmp_path: Path) -> None:
    """The data folder is made with the first request, but what threads cannot load is loaded."""
    code = "import sys, agent.studio; assert 'chromadb' in sys.modules and 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert not (tmp_path / "data").exists()


def test_lock_is_in_step_when_a_dependency_is_named() -> None:
    """Studio runs the versions that are tested, and its lock names no registry."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]]
    ours, theirs = (locked(name) for name in ("requirements.lock", "requirements-studio.lock"))
    assert {name: theirs.get(name) for name in names} == {name: ours[name] for name in names}
    assert "langgraph-api" in theirs
    assert "://" not in (ROOT / "requirements-studio.lock").read_text("utf-8")


def locked(file: str) -> dict[str, str]:
    """Read the versions of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / file).read_text("utf-8"), re.M))
