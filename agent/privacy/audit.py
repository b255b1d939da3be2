"""The audit log: who read whose content, when and why, in a chain that shows tampering.

Entries are only ever added, in the transaction that reads. Each carries a keyed hash (HMAC-SHA256)
over itself and the entry before it, and a sealed head says which one is the last; who can write the
database but lacks the key can forge neither. A database that is put back to an older state as a
whole is found by a head that was noted outside of it.

What is past its time goes from the old end, and a sealed anchor says up to where and by whom.

It knows nothing of roles and rights: whether somebody may read is decided before.
"""

import hmac
import json
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping, Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.errors import InputError, SettingsError, StorageError
from agent.privacy.secret import Secret

Action = Literal[
    "read content", "export", "erase", "expire", "create key", "revoke key", "read audit"
]
Door = Literal["http", "terminal", "python"]
Kind = Literal["changed", "missing", "moved", "cut", "head", "anchor", "noted"]

START = "0" * 64
"""What the first entry follows, and the head of an empty log."""

_KEY_BYTES = 32
_MAX_IDS = 1_000
_MAX_TEXT = 500
_PRUNED_AT_ONCE = 500
_CONTROLS = {"Cc", "Cs"}
"""Control characters and lone surrogates: they forge lines on a terminal, or cannot be stored."""


class AuditEntry(Table):
    """One reading, or another act upon content."""

    __tablename__ = "audit"

    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Its place: 1, 2, 3, … without a gap, as it is numbered under the lock of the head."""
    at: Mapped[str]
    reader: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str | None] = mapped_column(index=True)
    object_kind: Mapped[str]
    object_ids: Mapped[str]
    """A JSON list, kept as text, so that the hash covers every byte of it."""
    course: Mapped[str | None]
    reason: Mapped[str | None]
    door: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    """HMAC over all columns but the number and itself; the number follows from the chain."""

    @property
    def ids(self) -> list[str]:
        """The ids; what is no list, after somebody's change, is shown as it stands."""
        try:
            return [str(one) for one in json.loads(self.object_ids)]
        except (TypeError, ValueError):
            return [str(self.object_ids)]

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it is shown."""
        columns = {column.key: getattr(self, column.key) for column in AuditEntry.__table__.columns}
        return {**columns, "object_ids": self.ids}


class AuditHead(Table):
    """The last entry, sealed; the one row that moves on with every entry."""

    __tablename__ = "audit_head"

    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[int]
    hash: Mapped[str]
    seal: Mapped[str]
    """HMAC over the two; empty as long as the log is."""


class AuditAnchor(Table):
    """The last entry that was pruned, sealed: what the first one that is left follows."""

    __tablename__ = "audit_anchor"

    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[int]
    hash: Mapped[str]
    pruned_at: Mapped[str | None]
    pruned_by: Mapped[str | None]
    """The pseudonym of who asked for it, or `system`."""
    seal: Mapped[str]
    """HMAC over the four; empty as long as nothing was pruned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is written down of one act.

    Raises:
        InputError: a text is longer than 500 characters or holds control characters, or there are
            more than 1,000 ids; a larger export names its person instead of every run.
    """

    reader: str
    """The pseudonym of who acts."""
    role: str
    action: Action
    object_kind: str
    """What the ids name: `run`, `thread`, `person`, `key`."""
    object_ids: tuple[str, ...] | list[str]
    door: Door
    subject: str | None = None
    """The pseudonym of the person whose content it is."""
    course: str | None = None
    reason: str | None = None
    """Why; who lets staff in asks for it. It is never erased, so it names nobody."""

    def __post_init__(self) -> None:
        if len(self.object_ids) > _MAX_IDS:
            raise InputError(
                f"One audit entry names at most {_MAX_IDS:,} objects, not "
                f"{len(self.object_ids):,}. Read them in pages."
            )
        texts = (self.reader, self.role, self.subject, self.object_kind, self.course, self.reason)
        for text in (*texts, *self.object_ids):
            if text and not _is_plain(text):
                raise InputError(
                    "A reason, a course or an id in the audit log is one line of at most "
                    f"{_MAX_TEXT} characters. Shorten it, or take out the control characters."
                )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the log."""

    kind: Kind
    entry: int
    """Where: the entry that shows it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the whole log found."""

    entries: int
    head: str
    """The hash of the last entry; note it where the database's owner cannot write."""
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class AuditLog:
    """The audit log of one installation; `key` is 32 secret bytes or more, always the same.

    Content is selected in the transaction that writes its entry, and leaves after the commit:

        with audit.reading(Access(reader=..., role="teacher", ...)) as session:
            run = session.get(Run, run_id)
        return run.response

    Nothing may be sent, printed or yielded inside the block: until it is left, the entry can still
    be rolled back. Where the ids are only known after the select, `append` stands after it, in the
    same `database.begin()`.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        if len(key) < _KEY_BYTES:
            raise SettingsError(
                f"The key of the audit log has {len(key)} bytes. Give it {_KEY_BYTES} or more."
            )
        self._database = database
        self._key = key

    @classmethod
    def of(cls, database: Database, secret: Secret) -> "AuditLog":
        """Return the log whose key comes from the installation's secret."""
        return cls(database, secret.hmac("audit log", "chain"))

    @contextmanager
    def reading(self, access: Access) -> Iterator[Session]:
        """Open a transaction that writes the entry and reads; its rows outlive it.

        Raises:
            StorageError: the entry cannot be written, so nothing may be read.
        """
        with self._database.begin() as session:
            self.append(session, access)
            yield session
            session.flush()
            session.expunge_all()

    def append(self, session: Session, access: Access) -> None:
        """Add an entry in the caller's transaction, which `database.begin()` opened.

        Raises:
            StorageError: the log's head is not what this key sealed.
        """
        head = session.scalars(select(AuditHead).with_for_update()).one_or_none()
        if head is None or not self._is_sealed(head):
            raise _tampered()
        values = {
            **asdict(access),
            "object_ids": json.dumps(list(access.object_ids)),
            "at": utc_now(),
            "previous_hash": head.hash,
        }
        head.entry += 1
        head.hash = self._mac(values)
        head.seal = self._mac([head.entry, head.hash])
        session.add(AuditEntry(entry=head.entry, hash=head.hash, **values))
        try:
            session.flush()
        except IntegrityError as error:
            raise _tampered() from error

    def list(
        self,
        limit: int | None = 100,
        *,
        subject: str | None = None,
        reader: str | None = None,
        since: str | None = None,
    ) -> Sequence[AuditEntry]:
        """Return the newest entries, newest first; `since` is a UTC date or time, ISO 8601."""
        query = select(AuditEntry).order_by(AuditEntry.entry.desc()).limit(limit)
        if subject is not None:
            query = query.where(AuditEntry.subject == subject)
        if reader is not None:
            query = query.where(AuditEntry.reader == reader)
        if since is not None:
            query = query.where(AuditEntry.at >= since)
        with self._database.read() as session:
            return session.scalars(query).all()

    def verify(self, expected_head: str | None = None) -> Verification:
        """Check every entry, their order, the end, and that a head noted earlier is among them.

        - `changed`: the entry is not what was written, or was never written by this program.
        - `missing`: entries before this one were taken out.
        - `moved`: the entry stands in another place than it was written to.
        - `cut`: the log does not end with the entry that its head names.
        - `head`: the head is not what this key sealed.
        - `anchor`: nor is what says up to where the log was pruned.
        - `noted`: the noted head is not in the log, which was cut or put back.
        """
        with self._database.read() as session:
            if session.get_bind().dialect.name == "postgresql":  # SQLite reads one snapshot anyway
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            chain = self._walk(session, _ROWS, noted=expected_head)
            head = session.scalars(select(AuditHead)).one_or_none()
            if head is None or not self._is_sealed(head):
                chain.note("head", chain.last)
            elif (head.entry, head.hash) != (chain.last, chain.hash):
                chain.note("cut", chain.last)
        if not chain.has_noted:
            chain.note("noted", chain.last)
        return Verification(chain.count, chain.hash, tuple(chain.findings))

    def prune(self, until: int, by: str) -> int:
        """Remove the oldest entries, some at a time, if nothing is wrong with them.

        Args:
            until: The number of the last one to go.
            by: The pseudonym of who asks for it.

        Returns:
            How many went; none are left when it is 0.

        Raises:
            StorageError: something is wrong with them, which has to be looked into first.
        """
        with self._database.begin() as session:
            anchor = session.scalars(select(AuditAnchor).with_for_update()).one_or_none()
            oldest = _ROWS.where(AuditEntry.entry <= until).limit(_PRUNED_AT_ONCE)
            chain = self._walk(session, oldest)
            if anchor is None or chain.findings:
                raise _tampered()
            if chain.count:
                anchor.entry, anchor.hash = chain.last, chain.hash
                anchor.pruned_at, anchor.pruned_by = utc_now(), by
                anchor.seal = self._mac(_covered_by(anchor))
                session.flush()
                gone = delete(AuditEntry).where(AuditEntry.entry <= chain.last)
                session.execute(gone.execution_options(synchronize_session=False))
        return chain.count

    def _walk(self, session: Session, rows: Select[Any], *, noted: str | None = None) -> "_Chain":
        """Follow entries from what the first of them has to follow."""
        anchor = session.scalars(select(AuditAnchor)).one_or_none()
        chain = _Chain(session, anchor or AuditAnchor(entry=0, hash=START), noted=noted)
        if anchor is None or not self._is_anchored(anchor):
            chain.note("anchor", chain.last)
        for row in session.execute(rows).mappings():
            chain.follow(row, is_written=self._mac(_covered(row)) == row["hash"])
        return chain

    def _is_anchored(self, anchor: AuditAnchor) -> bool:
        if anchor.entry == 0:
            return (anchor.hash, anchor.seal) == (START, "")
        return anchor.seal == self._mac(_covered_by(anchor))

    def _is_sealed(self, head: AuditHead) -> bool:
        if head.entry == 0:
            return (head.hash, head.seal) == (START, "")
        return head.seal == self._mac([head.entry, head.hash])

    def _mac(self, value: Any) -> str:
        # `repr` stands for what SQLite lets somebody put into a text column, such as a blob.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
        return hmac.digest(self._key, text.encode(), "sha256").hex()


class _Chain:
    """One walk along the entries."""

    def __init__(self, session: Session, anchor: AuditAnchor, *, noted: str | None) -> None:
        self._session = session
        self._noted = noted
        self._start = anchor.hash
        self.has_noted = noted in {None, START, anchor.hash}
        self.count = 0
        self.last = anchor.entry
        self.hash = anchor.hash
        self.findings: list[Finding] = []

    def note(self, kind: Kind, entry: int) -> None:
        """Write down what is wrong."""
        self.findings.append(Finding(kind, entry))

    def follow(self, row: RowMapping, *, is_written: bool) -> None:
        """Take the next entry, which is as it was written or not."""
        entry, previous = row["entry"], row["previous_hash"]
        has_place = entry == self.last + 1
        if not is_written:
            self.note("changed", entry)
            if not has_place:
                self.note("missing", entry)
        elif not has_place or previous != self.hash:
            self.note("moved" if self._is_here(previous) else "missing", entry)
        self.count += 1
        self.last, self.hash = entry, row["hash"]
        self.has_noted = self.has_noted or self.hash == self._noted

    def _is_here(self, wanted: str) -> bool:
        query = select(AuditEntry.entry).where(AuditEntry.hash == wanted).limit(1)
        return wanted in {START, self._start} or self._session.scalar(query) is not None


_ROWS = (
    select(*AuditEntry.__table__.columns)
    .order_by(AuditEntry.entry)
    .execution_options(yield_per=1_000)
)


def _covered(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"entry", "hash"}}


def _covered_by(anchor: AuditAnchor) -> list[Any]:
    return ["pruned", anchor.entry, anchor.hash, anchor.pruned_at, anchor.pruned_by]


def _is_plain(text: str) -> bool:
    return len(text) <= _MAX_TEXT and not any(unicodedata.category(c) in _CONTROLS for c in text)


def _tampered() -> StorageError:
    return StorageError(
        "The audit log was changed from outside, or its key is another one. Nothing is read before "
        "this is settled. Run 'assist audit verify'."
    )
