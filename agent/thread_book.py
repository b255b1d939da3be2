"""Whose a thread is: the book of threads, by which their memory is erased, expires, is exported.

The checkpoints know a thread by its key alone. Whoever is let in is written down here with the
key, before anything is remembered under it; nothing of what was said stands here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from agent.database import Database, Table, insert_into, utc_now
from agent.errors import DamagedError, ErasedError
from agent.privacy.holdings import Cutoffs
from agent.privacy.owner import Owner
from agent.privacy.vault import Vault
from agent.serde import SealingSerializer, ThreadOwner, remembering
from agent.threads import erase_threads, expire_threads, newest_checkpoint, remembered

_NOTED_FOR = timedelta(hours=1)
"""How old the time of a thread's last use may be; the checkpoints know it exactly."""
_AT_ONCE = 500
_EMPTIED = "erased"
"""What takes the place of a thread's id while its person is erased."""


class Thread(Table):
    """One thread of one person; for all but the local person, in one course."""

    __tablename__ = "threads"

    thread_key: Mapped[str] = mapped_column(primary_key=True)
    """What the checkpoints know it by."""
    user_id: Mapped[str] = mapped_column(index=True)
    course: Mapped[str]
    """As `Owner.course` has it, where it was last used."""
    thread_id: Mapped[str]
    created_at: Mapped[str]
    used_at: Mapped[str]
    """When it was last used, give or take an hour."""


@dataclass(frozen=True, slots=True)
class ThreadBook:
    """The threads of one installation, and what they remember."""

    database: Database
    path: Path
    """The file of the checkpoints."""

    def note(self, thread_key: str, owner: Owner, thread_id: str) -> None:
        """Write down that a person uses a thread.

        Raises:
            StorageError: the database cannot be used.
        """
        known = select(Thread.course, Thread.used_at).where(Thread.thread_key == thread_key)
        with self.database.read() as session:
            row = session.execute(known).first()
        long_ago = _stored(datetime.now(UTC) - _NOTED_FOR)
        if row and row.course == owner.course and row.used_at > long_ago:
            return
        changed = {"course": owner.course, "used_at": utc_now()}
        values = {
            "thread_key": thread_key,
            "user_id": owner.user_id,
            "thread_id": thread_id,
            "created_at": changed["used_at"],
            **changed,
        }
        with self.database.begin() as session:
            insert = insert_into(session.connection().dialect, Thread).values(values)
            session.execute(
                insert.on_conflict_do_update(index_elements=["thread_key"], set_=changed)
            )

    def of(self, user_id: str) -> Sequence[Thread]:
        """Return a person's threads, oldest first."""
        theirs = select(Thread).where(Thread.user_id == user_id)
        with self.database.read() as session:
            return session.scalars(theirs.order_by(Thread.created_at, Thread.thread_key)).all()

    def erase(self, user_id: str) -> int:
        """Remove a person's threads and all that they remember; return how many there were.

        Raises:
            StorageError: a store cannot be used now; another call goes on.
        """
        threads = self.of(user_id)
        erase_threads(self.path, [thread.thread_key for thread in threads])
        return self._forget(thread.thread_key for thread in threads if thread.thread_id != _EMPTIED)

    def empty(self, user_id: str) -> int:
        """Remove what `erase` does, in two calls at least, and return how much was new to this one.

        A request that is under way may remember something after the first call. Its thread stays
        in the book, marked, until a later call finds nothing of it.

        Raises:
            StorageError: a store cannot be used now; another call goes on.
        """
        threads = self.of(user_id)
        found = erase_threads(self.path, [thread.thread_key for thread in threads])
        emptied = {thread.thread_key for thread in threads if thread.thread_id == _EMPTIED}
        self._forget(emptied - found)
        theirs = update(Thread).where(Thread.user_id == user_id).values(thread_id=_EMPTIED)
        with self.database.begin() as session:
            session.execute(theirs.execution_options(synchronize_session=False))
        return len(threads) - len(emptied - found)

    def expire(self, cutoffs: Cutoffs) -> int:
        """Remove the threads that were last used before the time their course keeps them from.

        Raises:
            StorageError: a store cannot be used now; another call goes on.
        """
        keys, expired = defaultdict[str, list[str]](list), 0
        with self.database.read() as session:
            known = session.execute(select(Thread.thread_key, Thread.course, Thread.used_at)).all()
        for row in known:
            if row.used_at < _stored(cutoffs(row.course)["threads"]):
                keys[row.course].append(row.thread_key)
        for course, old in keys.items():
            cutoff = cutoffs(course)["threads"]
            expire_threads(self.path, old, cutoff)
            gone = set(old) - remembered(self.path)
            expired += self._forget(gone, _stored(cutoff))
        unknown = remembered(self.path) - {row.thread_key for row in known}
        return expired + expire_threads(self.path, unknown, cutoffs("")["threads"])

    def export(self, user_id: str, vault: Vault) -> Iterator[dict[str, Any]]:
        """Yield what a person's threads remember: what they said and were answered.

        Raises:
            StorageError: a store cannot be read.
        """
        for thread in self.of(user_id):
            yield {
                "thread_id": thread.thread_id,
                "course": thread.course or None,
                "created_at": thread.created_at,
                "used_at": thread.used_at,
                **self._opened(ThreadOwner(user_id, thread.thread_key), vault),
            }

    def _opened(self, owner: ThreadOwner, vault: Vault) -> dict[str, Any]:
        found = newest_checkpoint(self.path, owner.thread_key)
        if found is None:
            return {"messages": []}
        checkpoint_id, above, packing, sealed = found
        serde = SealingSerializer(vault).at_checkpoint(owner.thread_key, "", checkpoint_id, above)
        try:
            with remembering(owner):
                values = serde.loads_typed((packing, sealed))["checkpoint"]["channel_values"]
        except (DamagedError, ErasedError) as error:
            return {"messages": None, "content": error.code}
        said = values.get("messages", [])
        return {"messages": [{"role": one.type, "text": one.text} for one in said]}

    def _forget(self, keys: Iterable[str], before: str | None = None) -> int:
        """Take threads out of the book; those only that were not used again since a time."""
        listed, forgotten = list(keys), 0
        for start in range(0, len(listed), _AT_ONCE):
            rows = delete(Thread).where(Thread.thread_key.in_(listed[start : start + _AT_ONCE]))
            if before is not None:
                rows = rows.where(Thread.used_at < before)
            with self.database.begin() as session:
                forgotten += session.connection().execute(rows).rowcount
        return forgotten


def _stored(at: datetime) -> str:
    """Return a time as the database holds it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
