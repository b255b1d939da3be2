"""Consent: asked, given, withdrawn, and never overwritten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.database import Database
from agent.privacy.consent import ConsentEntry, ConsentLedger, consent_text


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A real SQLite file."""
    opened = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


def test_nobody_has_consented_when_never_asked(database: Database) -> None:
    """Silence is no consent."""
    ledger = ConsentLedger(database)
    assert not ledger.status(ledger.user_id("local")).given


def test_decision_holds_when_given_and_withdrawn(database: Database) -> None:
    """The latest entry counts; every entry stays, with the wording's digest."""
    ledger = ConsentLedger(database)
    user = ledger.user_id("local")
    assert ledger.decide(user, "given", door="terminal").given
    assert not ledger.status("somebody else").given
    assert not ledger.decide(user, "withdrawn", door="terminal").given
    with database.begin() as session:
        entries = session.query(ConsentEntry).all()
        assert [entry.decision for entry in entries] == ["given", "withdrawn"]
        assert all(len(entry.text_digest) == 64 for entry in entries)


def test_pseudonym_is_stable_when_asked_again(database: Database) -> None:
    """One person, one random id, which is not their name."""
    ledger = ConsentLedger(database)
    user = ledger.user_id("local")
    assert ledger.user_id("local") == user
    assert ledger.user_id("other") != user
    assert "local" not in user


def test_wording_says_what_is_kept_when_shown() -> None:
    """The text names the way back."""
    assert "assist consent withdraw" in consent_text()
