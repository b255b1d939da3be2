"""LangSmith's interface: where a run can be seen, whose workspace it is, what an answer means."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from langsmith import Client, RunTree
from langsmith.utils import get_host_url
from pydantic import SecretStr

from agent.recording.frames import RunShaper
from agent.recording.langsmith import Answer, LangSmith, find_trace_url, site_of
from agent.settings import Settings
from tests.agent.recording.test_frames import row
from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

WORKSPACE, PROJECT = str(uuid.uuid4()), str(uuid.uuid4())
PLACE = {"id": PROJECT, "tenant_id": WORKSPACE, "reference_dataset_id": None}
CLOUD = "http://eu.api.smith.langchain.com"
"""Without TLS, so that a proxy can answer in its place."""


@contextmanager
def cloud(monkeypatch: pytest.MonkeyPatch, server: LangSmithServer) -> Iterator[None]:
    """Let a server answer for every host, LangSmith's own names included."""
    with running(server.app) as base:
        behind(monkeypatch, base)
        yield


def behind(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """Send every request to one address, as a proxy."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", base)


def given(**changes: Any) -> Settings:
    """Make settings of somebody who sends traces to the cloud."""
    return Settings(
        **{
            "langsmith_endpoint": CLOUD,
            "langsmith_api_key": SecretStr("ls-key"),
            "langsmith_project": "p",
            **changes,
        }
    )


@pytest.mark.parametrize("region", ["", "eu.", "aws.", "apac.", "dev.", "beta."])
@pytest.mark.parametrize("path", ["", "/"])
def test_site_is_that_of_langsmiths_client_when_it_is_the_cloud(region: str, path: str) -> None:
    """Every host that the client knows."""
    endpoint = f"https://{region}api.smith.langchain.com{path}"
    assert site_of(endpoint) == get_host_url(None, endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9001",
        "https://langsmith.school.example/api/v1",
        "https://notapi.smith.langchain.com",
        "https://api.smith.langchain.com.example",
        "https://example/api.smith.langchain.com",
        "http://[",
        "",
    ],
)
def test_site_is_unknown_when_it_is_not_the_cloud(endpoint: str) -> None:
    """Whoever runs a server of their own may show traces anywhere; nobody is asked."""
    assert site_of(endpoint) is None
    assert find_trace_url(given(langsmith_endpoint=endpoint), {"run_id": "r"}, patience=0.1) is None


def test_address_is_that_of_langsmiths_client_when_a_run_is_in_the_cloud(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Character by character; the project is asked for once."""
    server = LangSmithServer()
    server.projects = [PLACE]
    run = row()
    with cloud(monkeypatch, server):
        client = Client(api_url=CLOUD, api_key="k", auto_batch_tracing=False)
        sent = RunTree(id=run["run_id"], name="n", project_name="p", ls_client=client)
        theirs = client._construct_run_url(run=sent)
        langsmith = LangSmith.open(given())
        assert langsmith.trace_url(run) == theirs
        assert find_trace_url(given(), run, patience=10) == theirs
        server.status = 403
        assert langsmith.trace_url({**run, "project": "p"}) == theirs
        assert langsmith.trace_url({**run, "project": "theirs"}) is None
        langsmith.close()
    assert theirs.startswith(
        f"https://eu.smith.langchain.com/o/{WORKSPACE}/projects/p/{PROJECT}/r/"
    )


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_no_address_is_shown_when_langsmith_refuses(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A key that may only write is enough for everything else."""
    server = LangSmithServer()
    server.status = status
    with cloud(monkeypatch, server):
        assert find_trace_url(given(), row(), patience=10) is None


@pytest.mark.parametrize(
    "projects",
    [[], 7, [7], {}, [{"id": None, "tenant_id": "t"}], [{"id": "\x1b[31m", "tenant_id": "t"}]],
)
def test_no_address_is_shown_when_what_comes_is_no_project(
    monkeypatch: pytest.MonkeyPatch, projects: Any
) -> None:
    """There is none before its first run; nothing raises, and no odd letter reaches a terminal."""
    server = LangSmithServer()
    server.projects = projects
    with cloud(monkeypatch, server):
        assert find_trace_url(given(), row(), patience=10) is None


def test_nobody_waits_longer_when_an_answer_comes_in_drops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them is in time, all of them are not."""
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not is_over.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        behind(monkeypatch, f"http://127.0.0.1:{listener.getsockname()[1]}")
        began = time.monotonic()
        found = find_trace_url(given(), row(), patience=0.3)
        spent = time.monotonic() - began
        is_over.set()
        thread.join()
    assert found is None
    assert 0.25 < spent < 2


@pytest.mark.parametrize("workspace", [None, WORKSPACE], ids=["none", "one"])
def test_workspace_is_named_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, workspace: str | None
) -> None:
    """In each request, under the name that LangSmith's client gives it."""
    server, theirs = LangSmithServer(), LangSmithServer()
    theirs.projects = [PLACE]
    with cloud(monkeypatch, server):
        langsmith = LangSmith.open(given(langsmith_workspace_id=workspace))
        langsmith.send([RunShaper(project="p").shape(row(), with_text=False)])
        assert langsmith.trace_url(row())
        langsmith.close()
    with cloud(monkeypatch, theirs):
        stock = Client(api_url=CLOUD, api_key="k", workspace_id=workspace, auto_batch_tracing=False)
        stock.read_project(project_name="p")
    assert server.workspaces == theirs.workspaces == {workspace or ""}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "HTTP 401: the key is refused; check LANGSMITH_API_KEY"),
        (403, "for an organization's key LANGSMITH_WORKSPACE_ID"),
        (404, "HTTP 404: check LANGSMITH_ENDPOINT"),
        (422, "HTTP 422"),
        (None, "no answer (ConnectError)"),
    ],
)
def test_reason_names_the_setting_when_nothing_is_taken(status: int | None, said: str) -> None:
    """What to check, in our own words."""
    assert Answer(status, "" if status else "ConnectError").reason.endswith(said)
