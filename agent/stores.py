"""The stores of one installation, opened together: people and what is theirs, runs, audit."""

from dataclasses import dataclass

from agent.assignments import AssignmentStore
from agent.courses.roster import Roster
from agent.database import Database
from agent.privacy.audit import AuditLog
from agent.privacy.consent import ConsentLedger
from agent.privacy.keys import KeyStore
from agent.privacy.people import LOCAL_PERSON, People
from agent.privacy.secret import SECRET_FILE, Secret
from agent.recording.run_store import RunStore
from agent.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands in the database; light enough for a terminal command of its own."""

    database: Database
    secret: Secret
    people: People
    keys: KeyStore
    roster: Roster
    consent: ConsentLedger
    runs: RunStore
    assignments: AssignmentStore
    audit: AuditLog
    user_id: str
    """The pseudonym of the local person."""

    @classmethod
    def open(cls, settings: Settings) -> "Stores":
        """Open the database and find the local person.

        Raises:
            SettingsError: the installation's secret cannot be used.
            StorageError: the database cannot be used.
        """
        secret = Secret.open(settings.data_dir / SECRET_FILE)
        database = Database.open(settings.records_url)
        people = People(database, secret)
        return cls(
            database=database,
            secret=secret,
            people=people,
            keys=KeyStore(database, people, secret),
            roster=Roster(database),
            consent=ConsentLedger(database),
            runs=RunStore(database),
            assignments=AssignmentStore(database),
            audit=AuditLog.of(database, secret),
            user_id=people.user_id(LOCAL_PERSON),
        )

    def close(self) -> None:
        """Close the database."""
        self.keys.close()
        self.database.close()
