"""Every test runs without a network beyond loopback, without a key and in its own data folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from agent.settings import Settings

_DATA = Path(os.environ.get("ASSIST_EVAL_DATA") or Path(__file__).parents[2] / "shared" / "data")

_POSTGRES = os.environ.get("ASSIST_TEST_POSTGRES_URL", "")


@pytest.fixture(scope="session", autouse=True)
def _hidden() -> Iterator[None]:
    """Hide the machine's own settings and keys from every test and fixture."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ASSIST_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Allow loopback alone, and give each test a data folder."""
    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    monkeypatch.setenv("ASSIST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that point into the test's folder."""
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """The labelled data, which is not part of the project."""
    if not _DATA.is_dir():
        pytest.skip(f"the labelled data is not at {_DATA}; set ASSIST_EVAL_DATA")
    return _DATA


@pytest.fixture(params=["sqlite", "postgres"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where records lie: SQLite always, PostgreSQL where the environment names an empty one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    if not _POSTGRES:
        pytest.skip("ASSIST_TEST_POSTGRES_URL names no PostgreSQL database")
    return _POSTGRES


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"
