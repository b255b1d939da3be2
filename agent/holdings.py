"""Everything that an installation holds of people, store by store.

`tests/agent/privacy/test_holdings.py` fails on a table or a file that is named neither by a
holding nor, with a reason, as nobody's.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from sqlalchemy import or_, select

from agent.assignments import AssignmentRow
from agent.courses.book import CourseBook, find_folder
from agent.courses.roster import EnrolmentRow
from agent.database import Database, Table
from agent.errors import NotFoundError, SettingsError
from agent.insight.feedback import FeedbackRow
from agent.privacy.audit import AuditAnchor, AuditEntry
from agent.privacy.consent import ConsentEntry
from agent.privacy.erasure import ErasureRow
from agent.privacy.holdings import (
    DataClass,
    Holding,
    StillThereError,
    delete_rows,
    erase_nothing,
    rows_of,
)
from agent.privacy.keys import KeyRow
from agent.privacy.people import Person, plain_name, pseudonym
from agent.recording.langsmith import LangSmith
from agent.recording.personal import erase_runs, export_runs
from agent.recording.run_store import Run
from agent.settings import Settings
from agent.stores import Stores
from agent.thread_book import Thread, ThreadBook

DATA_KEYS = "data keys"
"""The holding that goes first: what it locks is gone with it, in backups too."""
TRACES_PATIENCE = 10.0
"""Seconds that LangSmith has to delete what it was asked to, before the receipt says `pending`."""
_POLL = 0.5
"""Seconds between two looks whether LangSmith has done so."""
_NO_LANGSMITH = (
    "LangSmith is not set up for this process; if traces were ever sent from here, set "
    "LANGSMITH_API_KEY and run: assist privacy erase PSEUDONYM"
)

NOBODYS_TABLES: Mapping[str, str] = {
    "alembic_version": "The version of the schema.",
    "audit_head": "The number and the digest of the last entry of the audit log.",
    "processes": "Which processes are alive: a machine's name and numbers.",
    "leases": "Which of them does a job for all.",
}
"""The tables that hold nothing of a person, and what they hold."""
NOBODYS_FILES: Mapping[str, str] = {
    "records.db": "The tables above; each holding names its own.",
    "secret.key": "Random bytes, from which pseudonyms come. No person can be told from it.",
    "kek.key": "Random bytes, which lock people's keys.",
    "index": "What staff, or an author who agreed in writing, published; `assist index remove` "
    "takes it out. Nothing that is asked is put there.",
    "minilm": "The network of an embedding.",
}
"""The files of the data directory that hold nothing of one person, and what they hold."""


def holdings_of(
    stores: Stores,
    settings: Settings,
    *,
    forget: Callable[[str], None] = lambda _: None,
    patience: float = TRACES_PATIENCE,
) -> Sequence[Holding]:
    """Return every holding, in the order in which a person is erased.

    Args:
        stores: The installation's.
        settings: Where threads lie, and LangSmith.
        forget: Takes a person out of what this process remembers.
        patience: Seconds that LangSmith has to delete something.

    """
    keys = Holding(DATA_KEYS, erase=stores.vault.keys.destroy, files=frozenset({"keys.db"}))
    return (
        keys,
        *_written(stores.database),
        _threads(stores, settings),
        _own(stores.database, "consent", ConsentEntry, "entry"),
        _named(stores, "API keys", KeyRow, leave_out=("digest",)),
        _named(stores, "enrolments", EnrolmentRow),
        _people(stores, forget),
        *_proofs(stores.database),
        _taught(stores, settings),
        _traces(settings, patience),
    )


def find_person(stores: Stores, named: str) -> str:
    """Return the pseudonym of a person, named by login or by the pseudonym itself.

    Raises:
        InputError: it can be no name.
        NotFoundError: nothing here is of such a person.
    """
    name = plain_name(named)
    with stores.database.read() as session:
        known = select(Person.user_id).where(or_(Person.name == name, Person.user_id == name))
        found = session.scalar(known)
        for table in (Run, ConsentEntry, ErasureRow):
            column = table.__table__.columns["user_id"]
            found = found or session.scalar(select(column).where(column == name).limit(1))
    if found is None and stores.roster.courses_of(name):
        found = pseudonym(stores.secret, name)  # enrolled, and never here
    if found is None:
        raise NotFoundError(
            "There is nobody of this name or pseudonym here. See 'assist course people' and "
            "'assist keys list' for names."
        )
    return found


def _written(database: Database) -> Sequence[Holding]:
    """Return the holdings of what people wrote and were answered."""
    return (
        _own(database, "feedback", FeedbackRow, "given_at", "content", "metadata"),
        Holding(
            "runs",
            erase=partial(erase_runs, database),
            export=partial(export_runs, database),
            expires=frozenset({"content", "metadata"}),
            tables=frozenset({"runs", "outbox"}),
        ),
        _own(database, "assignments", AssignmentRow, "created_at", "uploads"),
    )


def _threads(stores: Stores, settings: Settings) -> Holding:
    threads = ThreadBook(stores.database, settings.checkpoints_path)
    return Holding(
        "threads",
        erase=threads.empty,
        export=partial(threads.export, vault=stores.vault),
        expires=frozenset({"threads"}),
        tables=frozenset({Thread.__tablename__}),
        files=frozenset({settings.checkpoints_path.name}),
    )


def _proofs(database: Database) -> Sequence[Holding]:
    """Return the holdings that an erasure leaves, because they prove what was done."""
    return (
        Holding(
            "audit",
            erase=erase_nothing,
            export=partial(_audit_of, database),
            expires=frozenset({"audit"}),
            tables=frozenset({AuditEntry.__tablename__, AuditAnchor.__tablename__}),
            kept="Who read what, when and why: pseudonyms and ids, without content. It proves "
            "every reading, and goes when the course's time for it is over. Until then it tells "
            "which of the lines without a person, that stay of runs, were read as theirs.",
        ),
        Holding(
            "erasures",
            erase=erase_nothing,
            export=partial(rows_of, database, ErasureRow, order_by="asked_at"),
            tables=frozenset({ErasureRow.__tablename__}),
            kept="The receipts: a pseudonym, times and numbers.",
        ),
    )


def _own(
    database: Database, name: str, table: type[Table], order_by: str, *expires: DataClass
) -> Holding:
    """Return the holding of a table that is a person's by their pseudonym."""
    return Holding(
        name,
        erase=partial(delete_rows, database, table, "user_id"),
        export=partial(rows_of, database, table, order_by=order_by),
        expires=frozenset(expires),
        tables=frozenset({table.__tablename__}),
    )


def _named(
    stores: Stores, name: str, table: type[Table], *, leave_out: Sequence[str] = ()
) -> Holding:
    """Return the holding of a table that knows people by name."""
    columns = [column for column in table.__table__.columns if column.name not in leave_out]
    name_column = table.__table__.columns["name"]

    def names_of(user_id: str) -> list[str]:
        with stores.database.read() as session:
            names = session.scalars(select(name_column).distinct()).all()
        return stores.people.names_behind(user_id, names)

    def erase(user_id: str) -> int:
        names = names_of(user_id)
        return sum(delete_rows(stores.database, table, "name", name) for name in names)

    def export(user_id: str) -> Iterator[dict[str, Any]]:
        theirs = select(*columns).where(name_column.in_(names_of(user_id)))
        with stores.database.read() as session:
            rows = session.execute(theirs).mappings().all()
        yield from map(dict, rows)

    return Holding(name, erase=erase, export=export, tables=frozenset({table.__tablename__}))


def _people(stores: Stores, forget: Callable[[str], None]) -> Holding:
    """Return the holding of the name, which goes after whatever is found by it."""

    def erase(user_id: str) -> int:
        forget(user_id)
        if user_id == stores.user_id:
            return 0  # a word for whoever sits here, and nobody's name
        return delete_rows(stores.database, Person, "user_id", user_id)

    def export(user_id: str) -> Iterator[dict[str, Any]]:
        name = stores.people.name_of(user_id)
        if name is not None:
            yield {"name": name, "user_id": user_id}

    return Holding("people", erase=erase, export=export, tables=frozenset({Person.__tablename__}))


def _taught(stores: Stores, settings: Settings) -> Holding:
    """Return the holding of the files of courses, in which teachers stand by login."""

    def export(user_id: str) -> Iterator[dict[str, Any]]:
        try:
            book = CourseBook.open(find_folder(settings.data_dir, settings.courses_dir))
        except SettingsError:
            yield {"course": None, "content": "damaged"}
            return
        for course in book.courses.values():
            if stores.people.names_behind(user_id, course.teachers):
                yield {"course": course.id, "role": "teacher"}

    return Holding(
        "courses",
        erase=erase_nothing,
        export=export,
        files=frozenset({"courses"}),
        kept="If you teach: your login stands in course files that staff write. They take it out.",
    )


def _audit_of(database: Database, user_id: str) -> Iterator[dict[str, Any]]:
    """Yield what was read of a person, without who read it, and what they did themselves."""
    columns = ("at", "role", "action", "object_kind", "course", "reason", "door")
    wanted = (
        select(AuditEntry)
        .where(or_(AuditEntry.subject == user_id, AuditEntry.reader == user_id))
        .order_by(AuditEntry.entry)
    )
    with database.read() as session:
        entries = session.scalars(wanted).all()
    for entry in entries:
        about_them = {"object_ids": entry.ids} if entry.subject == user_id else {}
        yield {name: getattr(entry, name) for name in columns} | about_them


def _traces(settings: Settings, patience: float) -> Holding:
    """Return the holding of LangSmith, which may have been used by another process."""
    if not settings.langsmith_tracing and settings.langsmith_api_key is None:
        return Holding("LangSmith", erase=erase_nothing, is_elsewhere=True, kept=_NO_LANGSMITH)
    return Holding("LangSmith", erase=partial(_erase_traces, settings, patience), is_elsewhere=True)


def _erase_traces(settings: Settings, patience: float, user_id: str) -> int:
    """Have a person's traces deleted, also where none is listed yet, and look until none is."""
    with closing(LangSmith.open(settings)) as langsmith:
        found = langsmith.count_of(user_id)[1]
        answer = langsmith.delete_person(user_id)
        if answer.verdict != "taken":
            raise StillThereError(f"LangSmith deletes nothing: {answer.reason}.", left=found)
        ends_at = time.monotonic() + patience
        while True:
            answer, left = langsmith.count_of(user_id)
            if answer.verdict != "taken":
                raise StillThereError(f"LangSmith cannot be asked: {answer.reason}.", left=found)
            if not left:
                return found
            if time.monotonic() > ends_at:
                raise StillThereError(
                    f"LangSmith was asked, and deletes in its own time; {left} runs are left.",
                    left=found,
                )
            time.sleep(_POLL)
