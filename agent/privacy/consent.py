"""Consent to keeping text: a versioned wording and an append-only ledger of decisions.

It decides whether text may stand in the log and in traces; it knows nothing of either.
"""

import hashlib
import uuid
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from agent.database import Database, Table, utc_now

TEXT_VERSION = "v1"

Decision = Literal["given", "withdrawn"]


class Person(Table):
    """Somebody who uses this installation."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(unique=True)
    """A random pseudonym, which stands in every record."""


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
    """Through which edge the decision came: `terminal` or `http`."""


@dataclass(frozen=True, slots=True)
class ConsentStatus:
    """The decision in force."""

    given: bool
    text_version: str | None
    decided_at: str | None


def consent_text() -> str:
    """Return the wording that is agreed to."""
    return (files("agent.privacy") / f"consent-{TEXT_VERSION}.md").read_text("utf-8")


class ConsentLedger:
    """Who agreed to what, and when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def user_id(self, name: str) -> str:
        """Return the pseudonym of a person, made at their first visit."""
        with self._database.begin() as session:
            person = session.get(Person, name)
            if person is None:
                person = Person(name=name, user_id=str(uuid.uuid4()))
                session.add(person)
            return person.user_id

    def decide(self, user_id: str, decision: Decision, *, door: str) -> ConsentStatus:
        """Write a decision down; it holds for every run that starts after it."""
        with self._database.begin() as session:
            session.add(
                ConsentEntry(
                    user_id=user_id,
                    decision=decision,
                    text_version=TEXT_VERSION,
                    text_digest=hashlib.sha256(consent_text().encode()).hexdigest(),
                    decided_at=utc_now(),
                    door=door,
                )
            )
        return self.status(user_id)

    def status(self, user_id: str) -> ConsentStatus:
        """Return the decision in force; nobody has consented who was never asked."""
        latest = (
            select(ConsentEntry)
            .where(ConsentEntry.user_id == user_id)
            .order_by(ConsentEntry.entry.desc())
            .limit(1)
        )
        with self._database.read() as session:
            entry = session.scalars(latest).first()
        if entry is None:
            return ConsentStatus(given=False, text_version=None, decided_at=None)
        given = entry.decision == "given" and entry.text_version == TEXT_VERSION
        return ConsentStatus(given, entry.text_version, entry.decided_at)
