"""The backup of all keys in one file: the KEKs, and people's keys as they lock them.

Whoever has the file can read everything. What was destroyed here stays destroyed, whatever a
backup holds.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from sqlalchemy import Connection, Row, delete, func, select, update

from agent.database import insert_into, utc_now
from agent.errors import InputError, SettingsError
from agent.privacy.kek import Kek, encoded, parse_keks
from agent.privacy.key_tables import DATA_KEYS, LOST, NOTES, backup_of, bound, lost_keks
from agent.privacy.keyring import KeyRing

KEEP_DAYS = 30
"""How long a backup may be kept: what is erased stays readable with it."""


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


Bytes = Annotated[
    bytes,
    BeforeValidator(_bytes),
    PlainSerializer(lambda value: base64.b64encode(value).decode(), when_used="json"),
]


class _Key(BaseModel):
    """A person's key as it is stored; none where it was destroyed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user_id: str
    key_id: str
    kek_id: str
    wrapped: Bytes | None
    created_at: str
    destroyed_at: str | None


class _Backup(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    form: Literal["assist-keys-1"] = "assist-keys-1"
    made_at: str
    keks: list[str]
    """The one that locks first."""
    data_keys: list[_Key]
    lost: list[str] = []
    """The KEKs that are in no backup, so that what they locked does not open with this one."""


@dataclass(slots=True)
class Restored:
    """What became of the keys of a backup."""

    put_back: int = 0
    """Keys that were missing or damaged."""
    already_here: int = 0
    stay_destroyed: int = 0
    """Keys that were destroyed since the backup."""
    kek_ids: list[str] = field(default_factory=list)
    """The KEKs that were put back."""
    stay_locked: dict[str, int] = field(default_factory=dict)
    """How many keys stay locked by each KEK that is neither here nor in the backup."""
    set_aside: Path | None = None
    """Where the file of KEKs is that had something in it that is no key."""


def back_up(ring: KeyRing, path: Path) -> int:
    """Write all keys to a file of the owner's alone, and return how many of people's they are.

    Raises:
        InputError: there is a file already, or none can be made there.
        StorageError: the database of keys cannot be used.
    """
    with ring.alone() as connection:
        made_at, keks = utc_now(), ring.keks.all(again=True)
        keys = [_Key(**row._mapping) for row in connection.execute(select(DATA_KEYS))]  # noqa: SLF001 - SQLAlchemy's public name for it
        backup = _Backup(
            made_at=made_at,
            keks=[encoded(kek) for kek in keks],
            data_keys=keys,
            lost=sorted(lost_keks(connection)),
        )
        _write(path, backup.model_dump_json(indent=1).encode())
        _note(connection, keks[0], made_at)
    return sum(key.wrapped is not None and key.kek_id not in backup.lost for key in keys)


def restore(
    ring: KeyRing,
    path: Path,
    *,
    force: bool = False,
    erased_at: Mapping[str, str] = MappingProxyType({}),
) -> Restored:
    """Put back what is missing or damaged; nothing that opens is overwritten.

    Args:
        ring: Opened with `is_whole=False`, because a KEK may be missing.
        path: The backup.
        force: Whether keys of another installation, or from before a rotation, may be added.
        erased_at: When people were erased, as the records say it; their keys from before then
            stay destroyed also where the database of keys was lost.

    Raises:
        InputError: the file is no backup, or holds other keys than this installation.
        SettingsError: the KEKs stand in the environment, and one that is needed is not there.
        StorageError: the database of keys cannot be used.
    """
    backup = _read(path)
    keks = {kek.kek_id: kek for kek in parse_keks(",".join(backup.keks), f"{path}")}
    _check(backup, keks, path)
    here = ring.keks.usable()
    are_others = not any(kek.kek_id in keks for kek in here)
    report = Restored()
    with ring.alone() as connection:
        are_needed = bool(_locking(connection) & {kek.kek_id for kek in here})
        if are_others and are_needed and not force:
            raise InputError(
                f"{path} holds other keys than {ring.keks.place}: it is of another installation, "
                "or from before a rotation. To add its keys to those that are here, which stay: "
                "--force"
            )
        known = {**keks, **{kek.kek_id: kek for kek in here}}
        for key in backup.data_keys:
            if key.wrapped is not None and key.created_at <= erased_at.get(key.user_id, ""):
                gone = {"wrapped": None, "destroyed_at": erased_at[key.user_id]}
                report.stay_destroyed += 1
                key = key.model_copy(update=gone)  # noqa: PLW2901 - from here on it is this one
            _put_back(connection, key, known, report)
        is_new = are_others and not are_needed  # one that a start made, and that locks nothing
        needed = _locking(connection) | ({next(iter(keks))} if is_new else set())
        missing = [kek for kek in keks.values() if kek.kek_id in needed and kek not in here]
        report.set_aside = ring.keks.set_aside()
        _put_keks(ring, [*missing, *here] if is_new else [*here, *missing], missing)
        report.stay_locked = _note_lost(connection, ring.keks.all(again=True))
        report.kek_ids = [kek.kek_id for kek in missing]
        _note(connection, ring.keks.all(again=True)[0], backup.made_at, keks)
    return report


def _read(path: Path) -> _Backup:
    try:
        return _Backup.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None
    except ValidationError:
        raise InputError(f"{path} is no backup of keys, or is damaged.") from None


def _check(backup: _Backup, keks: dict[str, Kek], path: Path) -> None:
    for key in backup.data_keys:
        if key.wrapped is not None and key.kek_id not in backup.lost and not _opens(key, keks):
            raise InputError(f"{path} is damaged: a key in it does not open. Use another backup.")


def _put_back(connection: Connection, key: _Key, known: dict[str, Kek], report: Restored) -> None:
    mine = (DATA_KEYS.c.user_id == key.user_id, DATA_KEYS.c.key_id == key.key_id)
    row = connection.execute(select(DATA_KEYS).where(*mine)).first()
    if key.wrapped is not None and not _opens(key, known):  # its KEK was lost before the backup
        if row is None:
            connection.execute(DATA_KEYS.insert(), key.model_dump())
    elif row is None:
        connection.execute(DATA_KEYS.insert(), key.model_dump())
        report.put_back += key.wrapped is not None
    elif row.wrapped is None:
        report.stay_destroyed += key.wrapped is not None
    elif key.wrapped is None or not _opens(row, known):
        connection.execute(update(DATA_KEYS).where(*mine).values(key.model_dump()))
        report.put_back += key.wrapped is not None
    else:
        report.already_here += 1


def _locking(connection: Connection) -> set[str]:
    locks = select(DATA_KEYS.c.kek_id).where(DATA_KEYS.c.wrapped.is_not(None)).distinct()
    return set(connection.scalars(locks))


def _note_lost(connection: Connection, here: Sequence[Kek]) -> dict[str, int]:
    """Write down which KEKs are lost, so that a start goes on without; count what they locked."""
    locks = select(DATA_KEYS.c.kek_id, func.count()).where(DATA_KEYS.c.wrapped.is_not(None))
    known = {kek.kek_id for kek in here}
    counted = connection.execute(locks.group_by(DATA_KEYS.c.kek_id)).all()
    lost = {kek_id: number for kek_id, number in counted if kek_id not in known}
    connection.execute(delete(NOTES).where(NOTES.c.name.startswith(LOST)))
    notes = [{"name": f"{LOST}{kek_id}", "value": utc_now()} for kek_id in lost]
    if notes:
        connection.execute(NOTES.insert(), notes)
    return lost


def _opens(key: _Key | Row[Any], keks: dict[str, Kek]) -> bool:
    try:
        keks[key.kek_id].unwrap(key.wrapped or b"", bound(key.user_id, key.key_id))
    except (KeyError, ValueError):
        return False
    return True


def _put_keks(ring: KeyRing, keks: Sequence[Kek], missing: Sequence[Kek]) -> None:
    if ring.keks.is_given and missing:
        raise SettingsError(
            f"{ring.keks.place} lacks a key that locks people's keys. Add the entries of 'keks' "
            "in the backup to it, comma-separated, and restore again."
        )
    if not ring.keks.is_given:
        ring.keks.put(keks)  # also where none is missing: the file may be open to others


def _note(
    connection: Connection, kek: Kek, made_at: str, among: dict[str, Kek] | None = None
) -> None:
    """Write down when a KEK was backed up, where it is in the backup."""
    if among is not None and kek.kek_id not in among:
        return
    insert = insert_into(connection.dialect, NOTES)
    values = {"name": backup_of(kek.kek_id), "value": made_at}
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values), values)


def _write(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{path} is there already. Choose another name.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Choose a place.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None
