"""The stores of one installation, opened together: people and what is theirs, runs, audit."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from agent.assignments import AssignmentStore
from agent.courses.roster import Roster
from agent.database import Database
from agent.errors import ErasedError
from agent.privacy.audit import AuditLog
from agent.privacy.consent import ConsentLedger
from agent.privacy.erasure import ErasureLedger, ErasureRow
from agent.privacy.kek import KEK_FILE, Keks
from agent.privacy.keyring import KeyRing
from agent.privacy.keys import KeyStore
from agent.privacy.people import LOCAL_PERSON, People
from agent.privacy.sealing import use_vault
from agent.privacy.secret import SECRET_FILE, Secret
from agent.privacy.vault import Vault
from agent.recording.run_store import RunStore
from agent.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands in the database; light enough for a terminal command of its own."""

    database: Database
    secret: Secret
    vault: Vault
    """Seals what people wrote, in this database and in the threads."""
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
            SettingsError: the installation's secret or the key-encryption key cannot be used, or
                people's keys are lost.
            StorageError: the database cannot be used.
        """
        secret = Secret.open(settings.data_dir / SECRET_FILE)
        vault = Vault(open_keys(settings))
        with ExitStack() as opened:
            opened.callback(vault.keys.close)
            database = Database.open(settings.records_url)
            opened.callback(database.close)
            use_vault(database, vault)
            opened.pop_all()
        people = People(database, secret)
        vault.keys.destroy_erased(_erased_at(database))
        user_id = people.user_id(LOCAL_PERSON)
        with suppress(ErasedError):  # who is being erased is let in again when that is finished
            ErasureLedger(database).latest_of(user_id)
            vault.keys.admit(user_id)  # the graph runs for them also where nobody is let in
        return cls(
            database=database,
            secret=secret,
            vault=vault,
            people=people,
            keys=KeyStore(database, people, secret),
            roster=Roster(database, people.under_erasure),
            consent=ConsentLedger(database),
            runs=RunStore(database),
            assignments=AssignmentStore(database),
            audit=AuditLog.of(database, secret),
            user_id=user_id,
        )

    def close(self) -> None:
        """Close the database."""
        self.keys.close()
        self.database.close()
        self.vault.keys.close()


def read_erasures(settings: Settings) -> dict[str, str]:
    """Return when each person was last erased; of nobody where there are no records yet.

    Raises:
        StorageError: the records cannot be read.
    """
    place = make_url(settings.records_url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").exists():
        return {}
    database = Database.open(settings.records_url)
    try:
        return _erased_at(database)
    finally:
        database.close()


def _erased_at(database: Database) -> dict[str, str]:
    asked_at = func.max(ErasureRow.asked_at).label("asked_at")
    last = select(ErasureRow.user_id, asked_at).group_by(ErasureRow.user_id)
    with database.read() as session:
        return {row.user_id: row.asked_at for row in session.execute(last)}


def open_keys(settings: Settings, *, is_whole: bool = True) -> KeyRing:
    """Open people's keys alone.

    Args:
        settings: Where they are.
        is_whole: Whether a KEK is made or missed; not where keys are to be restored.

    Raises:
        SettingsError: the key-encryption key cannot be used.
        StorageError: the database cannot be used.
    """
    given = settings.kek.get_secret_value() if settings.kek else ""
    keks = Keks(settings.data_dir / KEK_FILE, given)
    return KeyRing.open(settings.people_keys_url, keks, is_whole=is_whole)
