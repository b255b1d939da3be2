"""Consent: asked, given, withdrawn, and never overwritten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.database import Database
from agent.privacy.consent import ConsentEntry, ConsentLedger, Wording, consent_text

PERSON = "4f4ccd1e-59c9-4a4c-9a5f-5d3f8f0f4a11"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A real SQLite file."""
    opened = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


def test_nobody_has_consented_when_never_asked(database: Database) -> None:
    """Silence is no consent."""
    ledger = ConsentLedger(database)
    assert not ledger.status(PERSON).given


def test_decision_holds_when_given_and_withdrawn(database: Database) -> None:
    """The latest entry counts; every entry stays, with the wording's digest."""
    ledger = ConsentLedger(database)
    user = PERSON
    assert ledger.decide(user, "given", door="terminal").given
    assert not ledger.status("somebody else").given
    assert not ledger.decide(user, "withdrawn", door="terminal").given
    with database.begin() as session:
        entries = session.query(ConsentEntry).all()
        assert [entry.decision for entry in entries] == ["given", "withdrawn"]
        assert all(len(entry.text_digest) == 64 for entry in entries)


def test_agreement_ends_when_its_days_are_over(database: Database) -> None:
    """After that people are asked anew."""
    ledger = ConsentLedger(database)
    wording = Wording("v1", "text", days=30)
    ledger.decide(PERSON, "given", door="http", wording=wording)
    now = datetime.now(UTC)
    assert ledger.status(PERSON, wording, now=now + timedelta(days=29)).state == "given"
    later = ledger.status(PERSON, wording, now=now + timedelta(days=31))
    assert (later.state, later.given) == ("expired", False)
    assert ledger.decide(PERSON, "given", door="http", wording=wording).given


def test_agreement_is_to_one_wording_when_there_are_several(database: Database) -> None:
    """Another course's text was not agreed to; a withdrawal is of all of them."""
    ledger = ConsentLedger(database)
    ours, theirs = Wording("prog1", "ours"), Wording("prog2", "theirs")
    ledger.decide(PERSON, "given", door="http", wording=ours)
    assert ledger.status(PERSON, ours).given
    assert ledger.status(PERSON, theirs).state == "reworded"
    ledger.decide(PERSON, "given", door="http", wording=theirs)
    assert ledger.status(PERSON, ours).given
    ledger.decide(PERSON, "withdrawn", door="http", wording=theirs)
    assert ledger.status(PERSON, ours).state == "withdrawn"


def test_wording_says_what_is_kept_when_shown() -> None:
    """The text names the way back."""
    assert "assist consent withdraw" in consent_text()
