"""What stands in the database of keys: people's keys, locked, and when they were backed up."""

from dataclasses import dataclass

from sqlalchemy import Column, LargeBinary, MetaData, String, Table

METADATA = MetaData()
DATA_KEYS = Table(
    "data_keys",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("kek_id", String, nullable=False, index=True),
    Column("wrapped", LargeBinary),
    Column("created_at", String, nullable=False),
    Column("destroyed_at", String),
)
NOTES = Table(
    "notes",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class KeyState:
    """What can be told of the keys without showing any."""

    people: int
    destroyed: int
    kek_id: str
    kek_place: str
    kek_ids: tuple[str, ...]
    """Under which the keys are locked."""
    backed_up_at: str | None
    """When the KEK that locks now was last backed up."""
    since_backup: int
    """Keys that were made since, which are in no backup."""

    @property
    def backup_told(self) -> str:
        """What is to be said of the backup."""
        if self.backed_up_at is None:
            return (
                f"the key {self.kek_id} was never backed up, and if it is lost, nothing that "
                "people wrote can be read; run: assist keys backup FILE"
            )
        newer = f"; {self.since_backup} keys are newer" if self.since_backup else ""
        return f"backed up at {self.backed_up_at[:16]}Z{newer}"


def bound(user_id: str, key_id: str) -> bytes:
    """Return what a locked key belongs to, so that it cannot be put in another's place."""
    return f"data key\x1f{user_id}\x1f{key_id}".encode()


def backup_of(kek_id: str) -> str:
    """Return the name of the note that says when a KEK was last backed up."""
    return f"backup of {kek_id}"
