"""People's own keys: made when they are let in, locked by the KEK, destroyed when they are erased.

They stand in a database of their own, because they are what erasure must reliably destroy: a
backup of the records opens nothing without them.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, Row, Select, delete, select, text, update
from sqlalchemy.exc import DBAPIError

from agent.database import Database, connect, unusable, utc_now
from agent.errors import DamagedError, SettingsError
from agent.privacy.kek import LENGTH, Kek, Keks
from agent.privacy.key_tables import (
    DATA_KEYS,
    LOST,
    NOTES,
    KeyState,
    are_of,
    bound,
    live,
    locked_by_others,
    lost_keks,
    make_tables,
    revived,
    state_of,
)

ID_LENGTH = 8
"""Hexadecimal digits of a key's name."""
FRESH = 5.0
"""Seconds that a key is used without another look; then one destroyed elsewhere is gone."""
_REMEMBERED = 10_000
_AT_ONCE = 500
"""Keys that are locked anew in one transaction."""


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """One person's key, open."""

    key_id: str
    cipher: AESGCM
    read_at: float = field(default_factory=time.monotonic)

    @property
    def is_fresh(self) -> bool:
        """Whether it may be used without another look."""
        return time.monotonic() - self.read_at < FRESH


class KeyRing:
    """The keys of one installation."""

    def __init__(self, engine: Engine, keks: Keks) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)
        self.keks = keks
        self._lock = threading.Lock()
        self._destroyed = 0
        """How often keys were destroyed here; one that was read before is not remembered."""
        self._current: OrderedDict[str, DataKey] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], DataKey] = OrderedDict()

    @classmethod
    def open(cls, url: str, keks: Keks, *, is_whole: bool = True) -> "KeyRing":
        """Connect, and make what the first start needs.

        Args:
            url: SQLAlchemy's.
            keks: The KEKs.
            is_whole: Whether a KEK is made or missed; not where keys are to be restored.

        Raises:
            SettingsError: the KEK is missing, or cannot be used, or is another than it was.
            StorageError: the database cannot be used.
        """
        ring = cls(connect(url, "ASSIST_KEYS_URL"), keks)
        try:
            with ring._writing() as connection:
                make_tables(connection)
            if is_whole:
                ring._find_keks()
        except BaseException:
            ring.close()
            raise
        return ring

    def admit(self, user_id: str) -> str | None:
        """Make a key for a person who has none: somebody new, or who comes back after erasure.

        Returns:
            The id of the key; none where there was one.

        Raises:
            StorageError: the database cannot be used.
        """
        return self.admit_all([user_id]).get(user_id)

    def admit_all(self, user_ids: Iterable[str]) -> dict[str, str]:
        """Do so for many people in one transaction, and return the ids of the keys by person.

        Raises:
            StorageError: the database cannot be used.
        """
        new = [user_id for user_id in dict.fromkeys(user_ids) if self.current(user_id) is None]
        if not new:
            return {}
        seen = self._destroyed
        made: dict[str, DataKey] = {}
        with self.alone() as connection:
            kek = self.keks.all(again=True)[0]  # a rotation may have begun elsewhere
            for user_id in new:
                if connection.execute(live(user_id)).first() is None:  # nobody was quicker
                    made[user_id] = _make(connection, kek, user_id)
        for user_id, key in made.items():
            self._remember(self._current, user_id, key, seen)
        return {user_id: key.key_id for user_id, key in made.items()}

    def current(self, user_id: str) -> DataKey | None:
        """Return the key that seals for a person; none for whom nobody admitted, or was erased.

        Raises:
            StorageError: the database cannot be used.
        """
        known = self._current.get(user_id)
        if known is not None and known.is_fresh:
            return known
        seen = self._destroyed
        row = self._look(live(user_id))
        if row is None:
            self._current.pop(user_id, None)
            return None
        found = self._open(row)
        self._remember(self._current, user_id, found, seen)
        return found

    def find(self, user_id: str, key_id: str) -> DataKey | None:
        """Return the key that something was sealed with; none when it was destroyed.

        Raises:
            DamagedError: there never was such a key, it was changed, or what locks it is lost.
            StorageError: the database cannot be used.
        """
        place = (user_id, key_id)
        known = self._known.get(place)
        if known is not None and known.is_fresh:
            return known
        seen = self._destroyed
        row = self._look(select(DATA_KEYS).where(are_of(user_id, key_id)))
        if row is None:
            raise DamagedError(
                "There is no such key of this person: what it sealed was moved or changed, or the "
                "database of keys is an older one. Restore it: assist keys restore BACKUP"
            )
        if row.wrapped is None:
            self._known.pop(place, None)
            return None
        found = self._open(row)
        self._remember(self._known, place, found, seen)
        return found

    def destroy(self, user_id: str, key_id: str | None = None) -> int:
        """Destroy a person's keys for good, and return how many there were.

        Args:
            user_id: Whose.
            key_id: The only one that goes, where it is named.

        Raises:
            StorageError: the database cannot be used.
        """
        theirs = are_of(user_id, key_id) & DATA_KEYS.c.wrapped.is_not(None)
        gone = {"wrapped": None, "destroyed_at": utc_now()}
        with self.alone() as connection:
            destroyed = connection.execute(update(DATA_KEYS).where(theirs).values(gone))
        with self._lock:
            self._destroyed += 1
            self._current.pop(user_id, None)
            for place in [place for place in self._known if place[0] == user_id]:
                del self._known[place]
        if destroyed.rowcount:
            self.empty_log()
        return int(destroyed.rowcount)

    def destroy_erased(self, erased_at: Mapping[str, str]) -> int:
        """Destroy what an older file of the database brought back, and return how many it was.

        Args:
            erased_at: When people were last erased, as the records say it. Who has no key that
                was destroyed since then was erased in another file than this one.

        Raises:
            StorageError: the database cannot be used.
        """
        with self._reading() as connection:
            back = list(revived(connection, erased_at))
        return sum(self.destroy(user_id, key_id) for user_id, key_id in back)

    def empty_log(self) -> bool:
        """Take what was overwritten out of SQLite's log too; say whether no reader was in the way.

        Raises:
            StorageError: the database refuses.
        """
        return Database(self._engine).empty_log()

    def renew(self) -> bool:
        """Make a KEK that locks from now on, unless a rotation is still to be finished.

        Returns:
            Whether one was made.

        Raises:
            SettingsError: the KEKs stand in the environment, where none can be added.
        """
        with self.alone():
            is_under_way = len(self.keks.all(again=True)) > 1
            if not is_under_way:
                self.keks.add()
        return not is_under_way

    def rotate(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Lock every key anew with the KEK that stands first; killed, it goes on where it was.

        Returns:
            How many keys were locked anew.

        Raises:
            DamagedError: a key does not open.
            SettingsError: a KEK that still locks something is missing.
        """
        done = 0
        while moved := self._rotate_some():
            done += moved
            progress(done)
        self.empty_log()
        while True:
            with self.alone() as connection:  # nobody makes a key between the look and the end
                kek = self.keks.all(again=True)[0]
                if connection.execute(locked_by_others(kek.kek_id)).first() is None:
                    self.keks.keep([kek.kek_id])
                    return done
            done += self._rotate_some()

    def _rotate_some(self) -> int:
        with self.alone() as connection:
            kek = self.keks.all(again=True)[0]
            rows = connection.execute(locked_by_others(kek.kek_id).limit(_AT_ONCE)).all()
            for row in rows:
                wrapped = kek.wrap(self.unwrap(row), bound(row.user_id, row.key_id))
                this = update(DATA_KEYS).where(are_of(row.user_id, row.key_id))
                connection.execute(this.values(wrapped=wrapped, kek_id=kek.kek_id))
        return len(rows)

    def state(self) -> KeyState:
        """Return what can be told of the keys."""
        with self._reading() as connection:
            return state_of(connection, self.keks.current.kek_id, self.keks.place)

    def was_erased(self, user_id: str) -> bool:
        """Say whether a person's keys were destroyed, and none was made since.

        Raises:
            StorageError: the database cannot be used.
        """
        with self._reading() as connection:
            keys = connection.scalars(select(DATA_KEYS.c.wrapped).where(are_of(user_id))).all()
        return bool(keys) and not any(keys)

    def is_empty(self) -> bool:
        """Say whether nobody was ever let in."""
        with self._reading() as connection:
            return connection.execute(select(DATA_KEYS.c.key_id).limit(1)).first() is None

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _find_keks(self) -> None:
        with self.alone() as connection:
            self.keks.remove_unfinished()
            found = select(DATA_KEYS.c.kek_id).where(DATA_KEYS.c.wrapped.is_not(None)).distinct()
            lost = lost_keks(connection)
            kek_ids = set(connection.scalars(found)) - lost
            if not self.keks.exists():
                if kek_ids:
                    raise SettingsError(
                        f"The key {self.keks.place} is missing, and without it nothing that people "
                        "wrote can be read. Restore it: assist keys restore BACKUP"
                    )
                self.keks.create()
            back = [f"{LOST}{kek.kek_id}" for kek in self.keks.all() if kek.kek_id in lost]
            if back:
                connection.execute(delete(NOTES).where(NOTES.c.name.in_(back)))
        for kek_id in kek_ids:
            self._kek_of(kek_id)

    def _look(self, wanted: Select[Any]) -> Row[Any] | None:
        """Return a row; read again where a rotation has just removed the KEK it was locked by."""
        for is_last in (False, True):
            with self._reading() as connection:
                row = connection.execute(wanted).first()
            if is_last or row is None or row.wrapped is None or self.keks.find(row.kek_id):
                break
        return row

    def _open(self, row: Row[Any]) -> DataKey:
        return DataKey(row.key_id, AESGCM(self.unwrap(row)))

    def unwrap(self, row: Row[Any]) -> bytes:
        """Open the key of a row.

        Raises:
            DamagedError: it was changed, or the KEK that locked it is lost.
            SettingsError: the KEK that locked it is missing.
        """
        kek = self._kek_of(row.kek_id)
        try:
            return kek.unwrap(row.wrapped, bound(row.user_id, row.key_id))
        except ValueError:
            raise DamagedError(
                "A person's key does not open with the key that locked it: the database of keys "
                "was changed. Restore it: assist keys restore BACKUP"
            ) from None

    def _kek_of(self, kek_id: str) -> Kek:
        kek = self.keks.find(kek_id)
        if kek is None:
            with self._reading() as connection:
                is_lost = kek_id in lost_keks(connection)
            if is_lost:
                raise DamagedError(
                    f"It is locked with the key {kek_id}, which is lost. With a backup that holds "
                    "it: assist keys restore BACKUP"
                )
            raise SettingsError(
                f"People's keys are locked with the key {kek_id}, which is not in "
                f"{self.keks.place}. Put it back: assist keys restore BACKUP"
            )
        return kek

    def _remember(
        self, where: "OrderedDict[Any, DataKey]", place: Any, key: DataKey, seen: int
    ) -> None:
        with self._lock:
            if seen == self._destroyed:
                where[place] = key
            while len(where) > _REMEMBERED:
                where.popitem(last=False)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Open a transaction in which nobody else writes keys, or the file of KEKs.

        Raises:
            StorageError: the database cannot be used.
        """
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(text("LOCK TABLE data_keys IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise unusable(error, self._engine) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._reader.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise unusable(error, self._engine) from error


def _make(connection: Connection, kek: Kek, user_id: str) -> DataKey:
    key, key_id = secrets.token_bytes(LENGTH), secrets.token_hex(ID_LENGTH // 2)
    values = {
        "user_id": user_id,
        "key_id": key_id,
        "kek_id": kek.kek_id,
        "wrapped": kek.wrap(key, bound(user_id, key_id)),
        "created_at": utc_now(),
    }
    connection.execute(DATA_KEYS.insert(), values)
    return DataKey(key_id, AESGCM(key))
