"""Which columns are sealed is said by their tables; here it is done, on the way in and out.

Rows that are written and read as objects are sealed and opened by SQLAlchemy's events. Whoever
writes or reads plain values calls `seal_values` and `open_values`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import JSON, Text, cast, event, inspect, or_, select
from sqlalchemy.orm import Session, object_session
from sqlalchemy.orm.attributes import set_committed_value

from agent.database import Database, Table, to_json
from agent.errors import DamagedError, ErasedError, SettingsError
from agent.privacy.vault import FORM, Cell, Vault

_VAULT = "vault"
_REASON = "content"
"""The column that says why there is no text; a table without one raises."""
_OWNER = "user_id"
_PLAIN = "plain"


def use_vault(database: Database, vault: Vault) -> None:
    """Seal and open whatever goes through this database; without, texts stand there in clear.

    Raises:
        SettingsError: it holds sealed texts, and the database of keys is a new one.
        StorageError: one of the databases cannot be read.
    """
    if vault.keys.is_empty() and _holds_sealed(database):
        raise SettingsError(
            "The database of people's keys is empty, but the records hold what was sealed with "
            "them. Check ASSIST_DATA_DIR and ASSIST_KEYS_URL, or restore the keys: "
            "assist keys restore BACKUP"
        )
    database.info[_VAULT] = vault


def admit(database: Database, user_id: str) -> None:
    """Make a key for a person who is new here, and whose texts come from elsewhere.

    Raises:
        ErasedError: they were erased, and what was erased does not come back that way.
        StorageError: the keys cannot be read or written.
    """
    vault: Vault | None = database.info.get(_VAULT)
    if vault is None or vault.knows(user_id):
        return
    if was_erased(database, user_id):
        raise ErasedError("The person was erased, so nothing more is written for them.")
    vault.keys.admit(user_id)


def was_erased(database: Database, user_id: str) -> bool:
    """Say whether a person was erased and did not come back, by another look at the keys.

    Raises:
        StorageError: the keys cannot be read.
    """
    vault: Vault | None = database.info.get(_VAULT)
    return vault is not None and vault.keys.was_erased(user_id)


def seal_values(
    database: Database, table: type[Table], row_id: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return values of a row, its `user_id` among them, with those sealed that people wrote.

    Raises:
        ErasedError: the person was erased, so nothing more is written for them.
        StorageError: the person's key cannot be read.
    """
    return _sealed(database.info.get(_VAULT), table, row_id, values)


def open_values(
    database: Database, table: type[Table], row_id: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return stored values of a row, its `user_id` among them, with the sealed ones open.

    Where they do not open, they are none, and `content` says why.

    Raises:
        DamagedError: one does not open, and the table has no column that says why.
        ErasedError: its person was erased, and the table has no such column.
        StorageError: the person's key cannot be read.
    """
    return _opened(database.info.get(_VAULT), table, row_id, values)


def _holds_sealed(database: Database) -> bool:
    """Look for one sealed text; every row is read, but only at a first start."""
    for table in Table.__subclasses__():
        texts = [cast(table.__table__.columns[name], Text) for name in table.__sealed__]
        # A column of JSON holds it as JSON, in quotes.
        is_sealed = [text.startswith(start) for text in texts for start in (FORM, f'"{FORM}')]
        if not is_sealed:
            continue
        with database.read() as session:
            if session.execute(select(1).where(or_(*is_sealed)).limit(1)).first():
                return True
    return False


def _sealed(
    vault: Vault | None, table: type[Table], row_id: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    sealed = dict(values)
    if vault is None:
        return sealed
    owner = values.get(_OWNER)
    if owner is not None and not vault.knows(owner):
        raise ErasedError("The person was erased, so nothing more is written for them.")
    for column in table.__sealed__:
        if (value := values.get(column)) is not None:
            cell = Cell(table.__tablename__, column, row_id, values[_OWNER])
            text = to_json(value) if column in _jsons(table) else value
            sealed[column] = vault.seal(cell, text)
    return sealed


def _opened(
    vault: Vault | None, table: type[Table], row_id: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    opened = dict(values)
    if vault is None:
        return opened
    try:
        for column in table.__sealed__:
            if (value := values.get(column)) is not None:
                cell = Cell(table.__tablename__, column, row_id, values[_OWNER])
                text = vault.open(cell, value)
                opened[column] = orjson.loads(text) if column in _jsons(table) else text
    except (DamagedError, ErasedError) as error:
        if _REASON not in table.__table__.columns:
            raise
        opened.update(dict.fromkeys(column for column in table.__sealed__ if column in values))
        opened[_REASON] = error.code
    return opened


@event.listens_for(Table, "load", propagate=True)
def _open_loaded(row: Any, context: Any) -> None:
    if context is not None:  # a row that is merged was never stored
        _open_row(row, context.session, row.__sealed__)


@event.listens_for(Table, "refresh", propagate=True)
def _open_refreshed(row: Any, context: Any, names: Any) -> None:
    _open_row(row, context.session, [n for n in row.__sealed__ if names is None or n in names])


@event.listens_for(Table, "before_insert", propagate=True)
@event.listens_for(Table, "before_update", propagate=True)
def _seal_written(_: Any, __: Any, row: Any) -> None:
    """Put the sealed values in, and remember the others for whoever goes on with the row."""
    if not row.__sealed__:
        return
    state = inspect(row)
    plain = {
        name: getattr(row, name)
        for name in (*row.__sealed__, _OWNER)
        if name == _OWNER or state.attrs[name].history.has_changes()
    }
    state.info[_PLAIN] = plain
    vault = session.info.get(_VAULT) if (session := object_session(row)) else None
    for name, value in _sealed(vault, type(row), _id_of(row), plain).items():
        setattr(row, name, value)


@event.listens_for(Table, "after_insert", propagate=True)
@event.listens_for(Table, "after_update", propagate=True)
def _show_written(_: Any, __: Any, row: Any) -> None:
    for name, value in inspect(row).info.pop(_PLAIN, {}).items():
        set_committed_value(row, name, value)


def _open_row(row: Any, session: Session, names: Sequence[str]) -> None:
    stored = {name: value for name in names if (value := row.__dict__.get(name)) is not None}
    vault = session.info.get(_VAULT)
    if not stored or vault is None:
        return
    stored[_OWNER] = getattr(row, _OWNER)
    for name, value in _opened(vault, type(row), _id_of(row), stored).items():
        set_committed_value(row, name, value)


def _id_of(row: Any) -> str:
    return "/".join(map(str, inspect(row).mapper.primary_key_from_instance(row)))


@cache
def _jsons(table: type[Table]) -> frozenset[str]:
    columns = table.__table__.columns
    return frozenset(name for name, column in columns.items() if isinstance(column.type, JSON))
