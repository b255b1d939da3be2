"""Tests against real services: only with `ASSIST_TEST_LIVE=1` and a key, and within a budget.

Each test runs against a server on loopback first, so that what would be sent to a real service
has been tried where it costs nothing.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from pytest_socket import socket_allow_hosts

from agent.blocking import Assistant
from agent.prices import NANO, is_openai
from agent.settings import OPENAI_URL, Settings, load_settings
from agent.stores import Stores
from tests.agent.test_assistant import NOTE
from tests.servers.langsmith import LangSmithServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

# Read when this file is loaded, because every name is hidden before the first test.
_IS_LIVE = os.environ.get("ASSIST_TEST_LIVE") == "1"
_BUDGET = float(os.environ.get("ASSIST_TEST_LIVE_BUDGET") or 0.05)
"""Dollars; `inf` for a server of one's own, whose calls have no price."""
_GIVEN = load_settings() if _IS_LIVE else Settings.model_construct()
_SMALL_MODEL = "openai:gpt-5.4-mini"
_SMALL_EMBEDDING = "openai:text-embedding-3-small"


class Connect(Protocol):
    """Returns settings of a loopback server, or of the real one in its place."""

    def __call__(
        self, server: OpenAIServer, *, only_openai: bool = False, **changes: Any
    ) -> Settings:
        """Connect with changed settings; `only_openai` skips what other servers do otherwise."""


def check_budget(settings: Settings, budget: float) -> None:
    """Fail when the recorded calls have cost the budget, or nobody knows what one of them cost."""
    if budget == float("inf"):
        return
    stores = Stores.open(settings)
    costs = [run.cost_nano_usd for run in stores.runs.latest(None)]
    stores.close()
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        pytest.fail("The price of a call is not known, so it counts as the whole budget.")
    if sum(known) >= budget * NANO:
        pytest.fail(f"The budget of ${budget:g} is spent; set ASSIST_TEST_LIVE_BUDGET.")


@pytest.fixture(scope="session")
def live_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one data folder of all calls that cost something."""
    return tmp_path_factory.mktemp("live")


@pytest.fixture(params=["loopback", "live"])
def connect(request: pytest.FixtureRequest, tmp_path: Path, live_data: Path) -> Iterator[Connect]:
    """Connect to a model server, with one document in the index."""
    is_live = request.param == "live"
    given: dict[str, Any] = {"embeddings": "local", "model_timeout": 60}
    if is_live:
        given |= _live_server(live_data)
    with ExitStack() as stack:

        def connected(
            server: OpenAIServer, *, only_openai: bool = False, **changes: Any
        ) -> Settings:
            if is_live and only_openai and not is_openai(_GIVEN.openai_base_url):
                pytest.skip("OPENAI_BASE_URL names another server, which may do otherwise")
            if not is_live:
                base = stack.enter_context(running(server.app))
                given.update(_loopback_server(f"{base}/v1", tmp_path / "data"))
            settings = Settings(**{**given, **changes})
            if settings.embeddings == "local":
                _index_a_note(settings, tmp_path)
            return settings

        yield connected


@pytest.fixture(params=["loopback", "live"])
def trace_settings(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings of a LangSmith; the model is always a server on loopback, which costs nothing."""
    if request.param == "live":
        _check_asked_for("LANGSMITH_API_KEY", _GIVEN.langsmith_api_key)
        _allow(_GIVEN.langsmith_endpoint)
        names = ("langsmith_endpoint", "langsmith_api_key", "langsmith_project")
        yield {name: getattr(_GIVEN, name) for name in names}
        return
    with running(LangSmithServer().app) as base:
        yield {"langsmith_endpoint": base, "langsmith_api_key": "lsv2_pt_loopback"}


@pytest.fixture
def priced_model(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings of a loopback model server whose prices are OpenAI's."""
    with running(OpenAIServer("A zanzibar maps keys to values.").app) as base:
        given = _loopback_server(f"{base}/v1", tmp_path / "data")
        _index_a_note(Settings(**given), tmp_path)
        yield given


@pytest.fixture
def small_embedding() -> str:
    """The embedding that is tried."""
    return _SMALL_EMBEDDING if _GIVEN.embeddings == "local" else _GIVEN.embeddings


def _live_server(data: Path) -> dict[str, Any]:
    """Return the operator's server, if asking it is wanted and paid for."""
    key, base_url = _GIVEN.openai_api_key, _GIVEN.openai_base_url
    _check_asked_for("OPENAI_API_KEY or OPENAI_BASE_URL", key or base_url)
    check_budget(Settings(data_dir=data), _BUDGET)
    _allow(base_url or OPENAI_URL)
    model = _GIVEN.fast_model or _SMALL_MODEL
    return {
        "data_dir": data,
        "openai_api_key": key,
        "openai_base_url": base_url,
        "price_provider": _GIVEN.price_provider,
        "model_window": _GIVEN.model_window,
        "strong_model": model,
        "fast_model": model,
    }


def _loopback_server(base_url: str, data: Path) -> dict[str, Any]:
    return {
        "data_dir": data,
        "openai_api_key": "sk-loopback",
        "openai_base_url": base_url,
        "price_provider": "openai",
        "strong_model": _SMALL_MODEL,
        "fast_model": _SMALL_MODEL,
    }


def _check_asked_for(name: str, value: object) -> None:
    if not _IS_LIVE:
        pytest.skip("ASSIST_TEST_LIVE is not 1; with it, real services are asked, at a cost")
    if not value:
        pytest.skip(f"{name} is not set")


def _allow(url: str) -> None:
    """Let this test reach one host beyond loopback."""
    host = urlsplit(url).hostname or url
    socket_allow_hosts(["127.0.0.1", "localhost", "::1", host], allow_unix_socket=True)


def _index_a_note(settings: Settings, folder: Path) -> None:
    (folder / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
