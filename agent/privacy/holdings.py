"""What every store that holds something of people has to say: how it is exported, erased, expires.

The stores register in `agent.holdings`; a test fails on a table or a file that none of them names.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, select
from sqlalchemy.engine import CursorResult

from agent.database import Database, Table
from agent.errors import DamagedError, ErasedError
from agent.privacy.sealing import open_values

DataClass = Literal["content", "metadata", "audit", "uploads", "threads"]
"""The classes of data that courses keep for different times."""
Cutoffs = Callable[[str], Mapping[DataClass, datetime]]
"""Says for a course's id (empty: the default course) from when on each class is still kept."""
_AT_ONCE = 500
"""Rows in one statement, whose length databases limit."""


class StillThereError(Exception):
    """What was to be erased is still there, and goes later; the text says why and when."""

    def __init__(self, reason: str, *, left: int = 0) -> None:
        super().__init__(reason)
        self.left = left


def erase_nothing(_: str) -> int:
    """Remove nothing: what stands there is kept, as `Holding.kept` says."""
    return 0


def no_export(_: str) -> Iterator[dict[str, Any]]:
    """Export nothing: what stands there is no content and named elsewhere."""
    yield from ()


@dataclass(frozen=True, slots=True)
class Holding:
    """One store that holds something of people."""

    name: str
    """In a receipt and in an export."""
    erase: Callable[[str], int]
    """Takes a person's id, removes what is theirs and returns how much it was; again: nothing.
    It raises `StillThereError` where that takes longer than somebody waits."""
    export: Callable[[str], Iterator[dict[str, Any]]] = no_export
    """Takes a person's id and yields everything of theirs, and nothing of anyone else's."""
    expires: frozenset[DataClass] = frozenset()
    """By the days of which classes parts of it go (`agent.retention`); none: with the person."""
    tables: frozenset[str] = frozenset()
    """The tables of the records that it answers for."""
    files: frozenset[str] = frozenset()
    """The files and folders of the data directory that it answers for."""
    kept: str = ""
    """Why an erasure leaves it, and what it holds; empty where nothing is left."""
    is_elsewhere: bool = False
    """Whether it is another's service, which is asked last, once, and may take days."""


def rows_of(
    database: Database, table: type[Table], user_id: str, *, order_by: str
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that are a person's, open; one that does not open says why.

    Args:
        database: The records.
        table: One with the column `user_id`.
        user_id: Whose.
        order_by: The column that says which is first.

    """
    columns = table.__table__.columns
    key = next(iter(table.__table__.primary_key))
    mine = columns["user_id"] == user_id
    with database.read() as session:
        keys = list(session.scalars(select(key).where(mine).order_by(columns[order_by], key)))
    for first in range(0, len(keys), _AT_ONCE):
        some = select(*columns).where(mine, key.in_(keys[first : first + _AT_ONCE]))
        with database.read() as session:
            # Past the objects, because one row that does not open would end the whole reading.
            found = session.connection().execute(some.order_by(columns[order_by], key))
            rows = [dict(row) for row in found.mappings()]
        for row in rows:
            yield _open(database, table, row)


def delete_rows(database: Database, table: type[Table], column: str, value: str) -> int:
    """Delete the rows of a table with a value in a column, and return how many there were."""
    theirs = delete(table).where(table.__table__.columns[column] == value)
    with database.begin() as session:
        done = session.execute(theirs.execution_options(synchronize_session=False))
        return cast("CursorResult[Any]", done).rowcount


def _open(database: Database, table: type[Table], row: dict[str, Any]) -> dict[str, Any]:
    row_id = "/".join(str(row[column.name]) for column in table.__table__.primary_key)
    try:
        return open_values(database, table, row_id, row) if table.__sealed__ else row
    except (DamagedError, ErasedError) as error:
        return {**row, **dict.fromkeys(table.__sealed__), "content": error.code}
