"""One database for records, consent and assignments: SQLAlchemy 2 models, Alembic migrations.

It opens the engine and brings the schema up to date; what stands in the tables belongs to
the modules that declare them.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import orjson
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session

from agent.errors import SettingsError, StorageError

_PRAGMAS = (
    "busy_timeout=5000",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
)
_WAL_TRIES = 50
_WAL_PAUSE = 0.1
"""Seconds between the tries of two processes that make the file at the same moment."""
_LOG_TRIES = 50
_LOG_HELD = 100
"""Milliseconds that one try to empty the log waits for readers; nobody can write meanwhile."""
_LOG_PAUSE = 0.1
"""Seconds between two tries."""


class Table(DeclarativeBase):
    """The base of every table."""

    __sealed__: ClassVar[tuple[str, ...]] = ()
    """The columns that hold what people wrote: they are stored as the vault seals them."""


def utc_now() -> str:
    """Return the time as it is stored: ISO 8601 in UTC, fixed width, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Database:
    """An engine with its schema up to date."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.info: dict[str, Any] = {}
        """What every session knows; the vault is there for whatever it seals and opens."""
        self._reader = engine.execution_options(reading=True)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect and migrate.

        Raises:
            SettingsError: the URL is none, or its driver is not installed.
            StorageError: the database cannot be opened or its schema not be brought up to date.
        """
        engine = connect(url)
        try:
            _migrate(engine)
        except BaseException as error:
            engine.dispose()
            if isinstance(error, DBAPIError | OSError):
                raise unusable(error, engine) from error
            raise
        return cls(engine)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a transaction that writes; it is committed on leaving, or rolled back.

        Raises:
            IntegrityError: a row is there already.
            StorageError: the database refuses.
        """
        with self._session(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that only reads and waits for no writer; its rows outlive it.

        Raises:
            StorageError: the database refuses.
        """
        with self._session(self._reader) as session:
            yield session
            session.expunge_all()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, info=self.info) as session, session.begin():
                yield session
        except IntegrityError:
            raise  # the store works: the row is there already, which is its writer's business
        except DBAPIError as error:
            raise unusable(error, engine) from error

    def empty_log(self) -> bool:
        """Take what was overwritten out of SQLite's log too; say whether no reader was in the way.

        Raises:
            StorageError: the database refuses.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        try:
            with self.engine.connect() as connection:
                stored: Any = connection.connection.dbapi_connection
                return empty_log(stored)
        except (DBAPIError, sqlite3.Error) as error:
            raise unusable(error, self.engine) from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def connect(url: str, setting: str = "ASSIST_DATABASE_URL") -> Engine:
    """Return an engine; a file of SQLite is private and written through to the disk.

    Args:
        url: SQLAlchemy's.
        setting: Where it comes from, for messages.

    Raises:
        SettingsError: the URL is none, or its driver is not installed.
        StorageError: the file cannot be made.
    """
    try:
        place = make_url(url)
        engine = create_engine(
            place,
            hide_parameters=True,
            pool_pre_ping=place.get_backend_name() != "sqlite",  # a server may have restarted
            json_serializer=to_json,
            json_deserializer=_from_json,
        )
    except (ArgumentError, ImportError) as error:
        raise SettingsError(
            f"{setting} cannot be used ({type(error).__name__}). Write it like "
            "postgresql+psycopg://user@host/name, and run: "
            "pip install 'assignment-assistant[postgres]'"
        ) from error
    if place.get_backend_name() == "sqlite" and place.database:
        try:
            make_private(Path(place.database))
        except OSError as error:
            raise unusable(error, engine) from error
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def insert_into(dialect: Dialect, table: Any) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that can say what happens where a row is there already."""
    return (postgresql.insert if dialect.name == "postgresql" else sqlite.insert)(table)


def empty_log(connection: sqlite3.Connection) -> bool:
    """Take what was overwritten out of a file's log too; say whether no reader was in the way.

    Those who want to write get their turn between two tries: one that waits for readers holds
    the lock.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout={_LOG_HELD}")
    try:
        for _ in range(_LOG_TRIES):
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:
                return True
            time.sleep(_LOG_PAUSE)
    finally:
        connection.execute(f"PRAGMA busy_timeout={patience}")
    return False


def make_private(path: Path) -> None:
    """Make a file, and its folder where there is none, that only its owner can read.

    SQLite gives its journal files the mode of the database they belong to.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.chmod(0o600)


def to_json(value: object) -> str:
    """Write a value as the database's JSON columns hold it."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _from_json(text: str) -> Any:
    """Read what a JSON column holds; what is no JSON comes as it stands, and is refused later."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _set_pragmas(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, around DDL too
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log; SQLite does not wait for others here, so this does."""
    for remaining in reversed(range(_WAL_TRIES)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if not remaining:
                raise
            time.sleep(_WAL_PAUSE)
        else:
            return


def _begin(connection: Connection) -> None:
    """Take the write lock at once where writing is meant, so that no two writers deadlock."""
    reads = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


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


def unusable(error: Exception, engine: Engine) -> StorageError:
    """Return the error for a database that cannot be used now."""
    place = engine.url.render_as_string(hide_password=True)
    reason = str(error.orig) if isinstance(error, DBAPIError) else error.__class__.__name__
    return StorageError(
        f"The records at {place} cannot be used ({reason}). Check that the disk has space, "
        "that the file is writable and that no other program holds it."
    )
