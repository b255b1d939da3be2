"""The records that most of these tests write to."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete

from agent.database import Database
from agent.recording.handler import RecordingHandler
from agent.recording.outbox import OutboxRow
from agent.recording.processes import Lease, Process
from agent.recording.run_store import Run, RunStore
from tests.fakes import make_handler


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """Empty records, on each database they have to run on."""
    opened = Database.open(records_url)
    with opened.begin() as session:
        for table in (OutboxRow, Run, Lease, Process):
            session.execute(delete(table))
    yield opened
    opened.close()


@pytest.fixture
def handler(database: Database) -> Iterator[RecordingHandler]:
    """A handler of a person who consents."""
    made = make_handler(RunStore(database))
    yield made
    made._writer.close()
