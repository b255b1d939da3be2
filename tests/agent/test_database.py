"""The database: its schema, its pragmas, its errors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

import agent.insight.feedback
import agent.recording.processes
import agent.stores
import agent.thread_book
from agent.database import Database, Table
from agent.errors import SettingsError, StorageError
from agent.privacy.people import Person


@pytest.fixture(autouse=True)
def _begun() -> None:
    """Migrate every file that is new; other tests begin with a copy of one that was."""


def test_migrations_match_the_models_when_run(tmp_path: Path) -> None:
    """What Alembic builds is what the models say, so nothing is left to migrate."""
    assert agent.stores
    assert agent.thread_book
    assert agent.recording.processes
    assert agent.insight.feedback
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Table.metadata) == []
    database.close()


def test_connection_is_durable_when_opened(tmp_path: Path) -> None:
    """WAL, full sync and secure delete are set on every connection."""
    database = Database.open(f"sqlite:///{tmp_path / 'deep' / 'records.db'}")
    with database.engine.connect() as connection:
        read = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "busy_timeout")
        }
    database.close()
    assert read == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "busy_timeout": 5000,
    }


def test_error_says_what_to_do_when_the_file_is_no_database(tmp_path: Path) -> None:
    """A broken file is named, with a way out."""
    (tmp_path / "records.db").write_text("not a database" * 100, "utf-8")
    with pytest.raises(StorageError, match=r"records\.db cannot be used"):
        Database.open(f"sqlite:///{tmp_path / 'records.db'}")


@pytest.mark.parametrize("url", ["nonsense", "postgresql+nodriver://db/records"])
def test_error_names_the_remedy_when_the_url_cannot_be_used(url: str) -> None:
    """A URL that is none, or a driver that is missing, is a setting to mend."""
    with pytest.raises(SettingsError, match="ASSIST_DATABASE_URL cannot be used"):
        Database.open(url)


def test_error_says_what_to_do_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "data").write_text("", "utf-8")
    with pytest.raises(StorageError, match="cannot be used"):
        Database.open(f"sqlite:///{tmp_path / 'data' / 'records.db'}")


def test_schema_is_whole_when_two_processes_start_at_once(tmp_path: Path) -> None:
    """The first start of a server and of a command beside it do not trip over each other."""
    for number in range(10):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        with ThreadPoolExecutor(6) as pool:
            opened = list(pool.map(Database.open, [url] * 6))
        for database in opened:
            database.close()
        assert len(opened) == 6


def test_schema_is_built_again_when_a_migration_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that stops half-way leaves nothing behind, so that the next start succeeds."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    create = Operations.create_table
    made: list[str] = []

    def stop_at_the_third(self: Operations, name: str, *columns: Any) -> Any:
        made.append(name)
        if len(made) == 3:
            raise KeyboardInterrupt
        return create(self, name, *columns)

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_table", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            Database.open(url)
    Database.open(url).close()


def test_files_are_private_when_made(tmp_path: Path) -> None:
    """Nobody but the owner can read the records, also in a folder that was there before."""
    (tmp_path / "data").mkdir(mode=0o755)
    Database.open(f"sqlite:///{tmp_path / 'data' / 'records.db'}").close()
    assert (tmp_path / "data" / "records.db").stat().st_mode & 0o077 == 0


def test_store_is_not_blamed_when_a_row_is_there_already(tmp_path: Path) -> None:
    """A doubled key is its writer's to handle, not a database that cannot be used."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    with pytest.raises(IntegrityError), database.begin() as session:
        session.add_all([Person(name="local", user_id="1"), Person(name="other", user_id="1")])
    database.close()
