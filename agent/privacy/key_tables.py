"""What stands in the database of keys: people's keys, locked, and when they were backed up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    exists,
    func,
    literal,
    select,
)

_AT_ONCE = 500
"""People who are asked for in one query, whose length databases limit."""
_FIRST_START = 0x6B657973
"""The number of PostgreSQL's lock under which the tables are made."""
METADATA = MetaData()
DATA_KEYS = Table(
    "data_keys",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("kek_id", String, nullable=False, index=True),
    Column("wrapped", LargeBinary),
    Column("created_at", String, nullable=False),
    Column("destroyed_at", String),
)
NOTES = Table(
    "notes",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
LOST = "lost "
"""What the note of a lost KEK begins with; its id follows."""
IS_LOST = exists().where(NOTES.c.name == literal(LOST) + DATA_KEYS.c.kek_id)
"""Whether a key is locked by a KEK of which a restore found that it is in no backup."""
IS_LIVE = DATA_KEYS.c.wrapped.is_not(None) & ~IS_LOST


@dataclass(frozen=True, slots=True)
class KeyState:
    """What can be told of the keys without showing any."""

    people: int
    destroyed: int
    kek_id: str
    kek_place: str
    kek_ids: tuple[str, ...]
    """Under which the keys are locked."""
    backed_up_at: str | None
    """When the KEK that locks now was last backed up."""
    since_backup: int
    """Keys that were made since, which are in no backup."""
    lost: int = 0
    """Keys that stay locked, because the KEK that locked them is lost."""

    @property
    def backup_told(self) -> str:
        """What is to be said of the backup."""
        lost = (
            f"; warning: {self.lost} people's keys stay locked by a key that is lost, so what "
            "they sealed shows as damaged; with a backup that holds it: assist keys restore BACKUP"
            if self.lost
            else ""
        )
        if self.backed_up_at is None:
            return (
                f"the key {self.kek_id} was never backed up, and if it is lost, nothing that "
                "people wrote can be read; run: assist keys backup FILE{lost}"
            )
        newer = f"; {self.since_backup} keys are newer" if self.since_backup else ""
        return f"backed up at {self.backed_up_at[:16]}Z{newer}{lost}"


def bound(user_id: str, key_id: str) -> bytes:
    """Return what a locked key belongs to, so that it cannot be put in another's place."""
    return f"data key\x1f{user_id}\x1f{key_id}".encode()


def backup_of(kek_id: str) -> str:
    """Return the name of the note that says when a KEK was last backed up."""
    return f"backup of {kek_id}"


def make_tables(connection: Connection) -> None:
    """Make what is missing; of processes that start at the same moment, one after the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_FIRST_START)))
    METADATA.create_all(connection)


def are_of(user_id: str, key_id: str | None = None) -> ColumnElement[bool]:
    """Say which keys are a person's, or which is the one that is named."""
    theirs = DATA_KEYS.c.user_id == user_id
    return theirs if key_id is None else theirs & (DATA_KEYS.c.key_id == key_id)


def live(user_id: str) -> Select[Any]:
    """Find the keys that a person can use, the oldest first."""
    return (
        select(DATA_KEYS)
        .where(DATA_KEYS.c.user_id == user_id, IS_LIVE)
        .order_by(DATA_KEYS.c.created_at, DATA_KEYS.c.key_id)
    )


def locked_by_others(kek_id: str) -> Select[Any]:
    """Find the keys that are not locked by a KEK yet, and can be."""
    return select(DATA_KEYS).where(DATA_KEYS.c.kek_id != kek_id, IS_LIVE)


def lost_keks(connection: Connection) -> frozenset[str]:
    """Return the KEKs of which a restore found that they are in no backup."""
    noted = select(NOTES.c.name).where(NOTES.c.name.startswith(LOST))
    return frozenset(name.removeprefix(LOST) for name in connection.scalars(noted))


def state_of(connection: Connection, kek_id: str, kek_place: str) -> KeyState:
    """Return what can be told of the keys; the KEK is the one that locks now."""

    def count(*which: Any) -> int:
        return connection.scalar(select(func.count()).select_from(DATA_KEYS).where(*which)) or 0

    note = select(NOTES.c.value).where(NOTES.c.name == backup_of(kek_id))
    backed_up_at = connection.scalar(note)
    return KeyState(
        people=count(IS_LIVE),
        destroyed=count(DATA_KEYS.c.wrapped.is_(None)),
        kek_id=kek_id,
        kek_place=kek_place,
        kek_ids=tuple(
            sorted(connection.scalars(select(DATA_KEYS.c.kek_id).where(IS_LIVE).distinct()))
        ),
        backed_up_at=backed_up_at,
        since_backup=count(IS_LIVE, DATA_KEYS.c.created_at > (backed_up_at or "")),
        lost=count(DATA_KEYS.c.wrapped.is_not(None), IS_LOST),
    )


def revived(connection: Connection, erased_at: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find the keys of people who were erased in another file than this one: an older copy.

    Their keys are older than the erasure, and none was destroyed since. Who came back has one
    that was, so that clocks that differ cost nobody a key.
    """
    people = list(erased_at)
    for first in range(0, len(people), _AT_ONCE):
        theirs = DATA_KEYS.c.user_id.in_(people[first : first + _AT_ONCE])
        rows = connection.execute(select(DATA_KEYS).where(theirs)).all()
        known = {row.user_id for row in rows if (row.destroyed_at or "") >= erased_at[row.user_id]}
        for row in rows:
            is_older = row.created_at <= erased_at[row.user_id]
            if row.wrapped is not None and is_older and row.user_id not in known:
                yield row.user_id, row.key_id
