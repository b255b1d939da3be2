"""One database for records, consent and assignments: SQLAlchemy 2 models, Alembic migrations.

It opens the engine and brings the schema up to date; what stands in the tables belongs to
the modules that declare them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from agent.errors import StorageError

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=5000",
    "foreign_keys=ON",
    "secure_delete=ON",
)


class Table(DeclarativeBase):
    """The base of every table."""


def utc_now() -> str:
    """Return the time as it is stored: ISO 8601 in UTC, fixed width, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Database:
    """An engine with its schema up to date."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect and migrate.

        Raises:
            StorageError: the database cannot be opened or its schema not be brought up to date.
        """
        place = make_url(url)
        try:
            if place.get_backend_name() == "sqlite" and place.database:
                Path(place.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = create_engine(place)
            if place.get_backend_name() == "sqlite":
                event.listen(engine, "connect", _set_pragmas)
            _migrate(engine)
        except (DBAPIError, OSError) as error:
            raise _unusable(error, place.render_as_string(hide_password=True)) from error
        return cls(engine)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction; it is committed on leaving, or rolled back.

        Raises:
            StorageError: the database refuses.
        """
        try:
            with Session(self.engine) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise _unusable(error, self.engine.url.render_as_string(hide_password=True)) from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _set_pragmas(connection: sqlite3.Connection, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        head = ScriptDirectory.from_config(config).get_current_head()
        if MigrationContext.configure(connection).get_current_revision() != head:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _unusable(error: Exception, place: str) -> StorageError:
    reason = str(error.orig) if isinstance(error, DBAPIError) else error.__class__.__name__
    return StorageError(
        f"The records at {place} cannot be used ({reason}). Check that the disk has space, "
        "that the file is writable and that no other program holds it."
    )
