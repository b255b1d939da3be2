"""The stores of one installation, opened together: people and consent, runs, assignments."""

from dataclasses import dataclass

from agent.assignments import AssignmentStore
from agent.database import Database
from agent.privacy.consent import ConsentLedger
from agent.recording.run_store import RunStore
from agent.settings import Settings

LOCAL_PERSON = "local"


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands in the database; light enough for a terminal command of its own."""

    database: Database
    consent: ConsentLedger
    runs: RunStore
    assignments: AssignmentStore
    user_id: str
    """The pseudonym of the local person."""

    @classmethod
    def open(cls, settings: Settings) -> "Stores":
        """Open the database and find the local person.

        Raises:
            StorageError: the database cannot be used.
        """
        database = Database.open(settings.records_url)
        consent = ConsentLedger(database)
        return cls(
            database=database,
            consent=consent,
            runs=RunStore(database),
            assignments=AssignmentStore(database),
            user_id=consent.user_id(LOCAL_PERSON),
        )

    def close(self) -> None:
        """Close the database."""
        self.database.close()
