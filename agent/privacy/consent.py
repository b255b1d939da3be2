"""Consent to keeping text: a versioned wording and an append-only ledger of decisions.

It decides whether text may stand in the log and in traces; it knows nothing of either.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, utc_now
from agent.privacy.erasure import ErasureRow, being_erased, refuse_while_erased
from agent.privacy.people import Person

Decision = Literal["given", "withdrawn"]
State = Literal["never asked", "given", "withdrawn", "expired", "reworded"]
"""`reworded`: the text that was agreed to is no longer the one in force."""
_EMBEDDED = "v1"
_DAYS = 365


class ConsentEntry(Table):
    """One decision; entries are only ever added."""

    __tablename__ = "consent_ledger"

    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(index=True)
    decision: Mapped[str]
    text_version: Mapped[str]
    text_digest: Mapped[str]
    """SHA-256 of the wording that was shown."""
    decided_at: Mapped[str]
    door: Mapped[str]
    """Through which edge the decision came: `terminal`, `http` or `python`."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What people agree to, and for how long."""

    version: str
    text: str
    days: int = _DAYS
    """How many days an agreement holds."""

    @property
    def digest(self) -> str:
        """SHA-256 of the text, by which the ledger knows it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ConsentStatus:
    """The decision in force."""

    state: State
    text_version: str | None = None
    """Of the wording that was decided on."""
    decided_at: str | None = None
    expires_at: str | None = None

    @property
    def given(self) -> bool:
        """Whether text may be kept."""
        return self.state == "given"


def consent_text() -> str:
    """Return the wording that comes with the assistant."""
    return (files("agent.privacy") / f"consent-{_EMBEDDED}.md").read_text("utf-8")


@cache
def embedded_wording() -> Wording:
    """Return the wording of courses that have none of their own."""
    return Wording(_EMBEDDED, consent_text())


class ConsentLedger:
    """Who agreed to what, and when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(
        self, user_id: str, decision: Decision, *, door: str, wording: Wording | None = None
    ) -> ConsentStatus:
        """Write a decision down; it holds for every run that starts after it.

        A withdrawal holds for every wording, an agreement for the one that was shown.

        Raises:
            ErasedError: the person is being erased, or was and did not come back.
        """
        shown = wording or embedded_wording()
        with self._database.begin() as session:
            refuse_while_erased(session, user_id)
            _refuse_unless_back(session, user_id)
            session.add(
                ConsentEntry(
                    user_id=user_id,
                    decision=decision,
                    text_version=shown.version,
                    text_digest=shown.digest,
                    decided_at=utc_now(),
                    door=door,
                )
            )
        return self.status(user_id, shown)

    def status(
        self, user_id: str, wording: Wording | None = None, *, now: datetime | None = None
    ) -> ConsentStatus:
        """Return the decision in force; nobody has consented who was never asked."""
        asked = wording or embedded_wording()
        with self._database.read() as session:
            decided = session.connection().execute(_DECIDED, {"user_id": user_id}).all()
        if not decided:
            return ConsentStatus("never asked")
        for decision, digest, version, decided_at in decided:
            if decision == "withdrawn":
                return ConsentStatus("withdrawn", version, decided_at)
            if digest == asked.digest:
                return _agreed(version, decided_at, asked, now or datetime.now(UTC))
        *_, version, decided_at = decided[0]
        return ConsentStatus("reworded", version, decided_at)


_LEDGER = ConsentEntry.__table__.c
_DECIDED = (
    select(_LEDGER.decision, _LEDGER.text_digest, _LEDGER.text_version, _LEDGER.decided_at)
    .where(_LEDGER.user_id == bindparam("user_id"))
    .order_by(_LEDGER.entry.desc())
)
"""What a person decided, the latest first. Made once and without objects: each request reads it."""


def _refuse_unless_back(session: Session, user_id: str) -> None:
    """Refuse whoever was let in before they were erased, and has no account since."""
    was_erased = exists().where(ErasureRow.user_id == user_id)
    is_here = exists().where(Person.user_id == user_id)
    if session.scalar(select(was_erased & ~is_here)):
        raise being_erased()


def _agreed(version: str, decided_at: str, wording: Wording, now: datetime) -> ConsentStatus:
    ends = datetime.fromisoformat(decided_at) + timedelta(days=wording.days)
    state: State = "given" if now < ends else "expired"
    expires_at = ends.isoformat(timespec="seconds").replace("+00:00", "Z")
    return ConsentStatus(state, version, decided_at, expires_at)
