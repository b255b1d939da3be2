"""A disk in memory that can be looked at as if the power had been cut, and SQLite on top of it.

It knows files and the part of `sqlite3` that SQLAlchemy asks for; nothing of what is written.
"""

# ruff: noqa: D102, N802, N815 - the methods of a file system are named and described by SQLite,
# those of a connection by PEP 249

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import apsw

_SECTOR = 512

Write = tuple[int, bytes | None]
"""An offset and what was written there, or nothing where the file ends there from then on."""


@dataclass
class _Medium:
    """One file: what it holds, and what of that a cut cannot take."""

    live: bytearray
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)

    def change(self, write: Write) -> None:
        _apply(self.live, write)
        self.pending.append(write)

    def sync(self) -> None:
        for write in self.pending:
            _apply(self.durable, write)
        self.pending.clear()

    def after_a_cut(self) -> bytes:
        found = bytearray(self.durable)
        for at, data in self.pending:
            fate = random.random()  # noqa: S311 - a coin
            if data is None or fate < 1 / 3:
                kept = data
            elif fate < 1 / 2:
                kept = data[: random.randrange(0, len(data), _SECTOR)]  # noqa: S311 - as above
            else:
                continue
            _apply(found, (at, kept))
        return bytes(found)


def _apply(data: bytearray, write: Write) -> None:
    at, new = write
    if new is None:
        del data[at:]
    else:
        data.extend(bytes(max(0, at - len(data))))
        data[at : at + len(new)] = new


class Disk(apsw.VFS):
    """A file system in memory that can be looked at as if the power had been cut."""

    def __init__(self, image: bytes, on_operation: Callable[[], None]) -> None:
        self.name = f"disk-{uuid.uuid4()}"
        self.media = {"/records.db": _Medium(bytearray(image), bytearray(image))}
        self.syncs = 0
        self.on_operation = on_operation
        super().__init__(self.name, base="")

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self.media

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001 - as apsw calls it
        del self.media[filename]

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_File":  # type: ignore[override]  # apsw takes any object with a file's methods
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return _File(self, self.media.setdefault(path, _Medium(bytearray())))


class _File:
    """An open file; without shared memory, so that the database has one connection alone."""

    def __init__(self, disk: Disk, medium: _Medium) -> None:
        self.disk = disk
        self.medium = medium

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.medium.live[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.medium.change((offset, bytes(data)))
        self.disk.on_operation()

    def xTruncate(self, size: int) -> None:
        self.medium.change((size, None))
        self.disk.on_operation()

    def xSync(self, _: int) -> None:
        self.disk.on_operation()
        self.medium.sync()
        self.disk.syncs += 1

    def xFileSize(self) -> int:
        return len(self.medium.live)

    def xSectorSize(self) -> int:
        return _SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xFileControl(self, *_: int) -> bool:
        return False

    def xCheckReservedLock(self) -> bool:
        return False

    def xLock(self, _: int) -> None:
        """Nobody else is there."""

    xUnlock = xLock

    def xClose(self) -> None:
        """Leave the file where it is."""


class Connection:
    """As much of `sqlite3.Connection` as SQLAlchemy asks for, on apsw."""

    isolation_level: str | None = None

    def __init__(self, disk: Disk) -> None:
        self.inner = apsw.Connection("/records.db", vfs=disk.name)
        self.close = self.inner.close

    def cursor(self) -> "_Cursor":
        return _Cursor(self.inner)

    def create_function(self, *_: Any, **__: Any) -> None:
        """SQLAlchemy's `regexp`, which nobody uses here."""

    def commit(self) -> None:
        if self.inner.in_transaction:
            self.inner.execute("COMMIT")

    def rollback(self) -> None:
        if self.inner.in_transaction:
            self.inner.execute("ROLLBACK")


class _Cursor:
    description: Any = None

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._describe
        self.close = self._cursor.close
        self.fetchone = self._cursor.fetchone
        self.fetchall = self._cursor.fetchall

    def _describe(self, cursor: apsw.Cursor, *_: Any) -> bool:
        self.description = [(name, *[None] * 6) for name, _ in cursor.get_description()] or None
        return True

    def execute(self, statement: str, values: Any = ()) -> None:
        self._cursor.execute(statement, values)

    def executemany(self, statement: str, rows: Any) -> None:
        self._cursor.executemany(statement, rows)

    @property
    def rowcount(self) -> int:
        return self._connection.changes()

    @property
    def lastrowid(self) -> int:
        return self._connection.last_insert_rowid()
