"""The store of runs: one row a run, written when it starts and settled when it ends.

It knows rows and transactions, nothing of callbacks or of what may be written down.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Select,
    Text,
    bindparam,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Mapped, Session, mapped_column

from agent.database import Database, Table, insert_into, to_json
from agent.errors import ErasedError
from agent.privacy.sealing import seal_values
from agent.recording.outbox import queue

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler

Status = Literal["started", "done", "error", "cancelled", "incomplete", "abandoned"]
"""`incomplete` is a reply that began and broke off; `abandoned`, what a process left that died."""
_IS_OPEN = text("status = 'started'")
_IS_ROOT = text("run_id = root_run_id")
_OPEN = text("status IN ('started', 'abandoned')")
"""A process that was taken for dead and is not still has the last word on its runs."""
_JSON = JSON(none_as_null=True)
_AT_ONCE = 500
"""Rows in one statement, whose length databases limit."""
TEXTS = ("prompt", "response", "inputs", "outputs", "left_out", "tags", "attributes")
"""The columns that may hold what people wrote."""


NOBODYS: dict[str, Any] = {
    **dict.fromkeys((*TEXTS, "message_roles", "parameters", "thread_id", "assignment_id")),
    "user_id": "erased",
    "content": "erased",
}
"""What is left of a run's person and text once they were erased, so that totals hold."""
ERASED: dict[str, Any] = {
    **NOBODYS,
    **dict.fromkeys(("trace_id", "parent_run_id", "dotted_order", "project")),
    **dict.fromkeys(("error", "announced_at")),
}
"""What becomes of a run when its person is erased, or was meanwhile; besides, it is named by its
type, because a name may be a person's own. Ids of a trace outside lead to what stands there."""


class Run(Table):
    """One run: the root of a request, one call of a model, or a step between them."""

    __tablename__ = "runs"
    __sealed__ = (*TEXTS, "parameters")
    __table_args__ = (
        Index("runs_by_root", "root_run_id"),
        Index("runs_that_are_open", "status", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
        Index("runs_by_start", "run_type", "started_at"),
        Index("requests_by_thread", "thread_id", sqlite_where=_IS_ROOT, postgresql_where=_IS_ROOT),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    root_run_id: Mapped[str]
    """The request, by whose id its answer is known."""
    trace_id: Mapped[str | None]
    """The root, or the trace outside in which it ran."""
    parent_run_id: Mapped[str | None]
    dotted_order: Mapped[str | None]
    """The starts and ids from the trace's root down to this run, which sort as the tree reads."""
    project: Mapped[str | None]
    """The LangSmith project of the trace outside."""
    process_id: Mapped[str | None]
    """Who writes this row, so that it is known whose rows a dead process left open."""
    announced_at: Mapped[str | None]
    """When LangSmith heard of the run's start, where that was before its end."""
    origin: Mapped[str | None]
    """`imported`, or nothing for what was recorded here."""
    run_type: Mapped[str]
    name: Mapped[str]
    tags: Mapped[list[str] | None] = mapped_column(_JSON)
    attributes: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    """What else the run's metadata says."""
    status: Mapped[str]
    paused: Mapped[bool | None]
    """Whether it is done for now, because a person has to decide."""
    started_at: Mapped[str]
    ended_at: Mapped[str | None]
    latency_ms: Mapped[float | None]
    first_token_ms: Mapped[float | None]
    error: Mapped[str | None]
    """The kind of failure; never its text, which may quote a prompt."""
    user_id: Mapped[str]
    thread_id: Mapped[str | None]
    assignment_id: Mapped[str | None]
    course: Mapped[str | None]
    prompt_type: Mapped[str | None]
    task_type: Mapped[str | None]
    prompt_version: Mapped[str | None]
    prompt_digest: Mapped[str | None]
    left_out: Mapped[list[str] | None] = mapped_column(_JSON)
    provider: Mapped[str | None]
    model_asked: Mapped[str | None]
    model_served: Mapped[str | None]
    model_version: Mapped[str | None]
    parameters: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    finish_reason: Mapped[str | None]
    cache: Mapped[str | None]
    """`hit` where the reply came from a cache, so that nothing was used."""
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    usage_details: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    cost_nano_usd: Mapped[int | None] = mapped_column(BigInteger)
    price_reference: Mapped[str | None]
    price: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    """The price itself: whose, of which model, from when, by which list, for how many tokens."""
    repriced: Mapped[list[dict[str, Any]] | None] = mapped_column(_JSON)
    """The figures that a later price took the place of."""
    content: Mapped[str]
    """`kept`, or why there is no text: `no consent`, `not text`."""
    prompt: Mapped[str | None]
    response: Mapped[str | None]
    message_roles: Mapped[list[list[Any]] | None] = mapped_column(_JSON)
    """The messages that the prompt is made of: the role, and how many characters are its text."""
    inputs: Mapped[str | None] = mapped_column(Text)
    """What a step was given, as JSON."""
    outputs: Mapped[str | None] = mapped_column(Text)


IS_OPEN = Run.status == literal_column("'started'")
"""As the index says it: databases use an index of few rows for the very same words alone."""
IS_ROOT = Run.run_id == Run.root_run_id


@dataclass(slots=True)
class Changes:
    """What one transaction writes."""

    starts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows by their ids; one that is there already stays as it is."""
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Values of runs that have ended, with whose they are; one settled before stays as it is."""
    fills: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What became known late, for the runs of a root that lack it."""
    to_send: list[str] = field(default_factory=list)
    """The runs whose ends have to reach LangSmith."""

    @property
    def size(self) -> int:
        """How many changes there are."""
        return len(self.starts) + len(self.ends) + len(self.fills) + len(self.to_send)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.size

    def singly(self) -> "Iterator[Changes]":
        """Return the same changes, those of each run as a transaction of its own."""
        to_send = set(self.to_send)
        for run_id in {**self.starts, **self.ends, **dict.fromkeys(self.to_send)}:
            yield Changes(
                starts={run_id: self.starts[run_id]} if run_id in self.starts else {},
                ends={run_id: self.ends[run_id]} if run_id in self.ends else {},
                to_send=[run_id] if run_id in to_send else [],
            )
        yield from (Changes(fills=[fill]) for fill in self.fills)

    def without_text(self) -> "Changes":
        """Return what is left of changes when nothing stands in them that somebody wrote."""
        rows, ends = (
            {
                run_id: {name: value for name, value in row.items() if name not in TEXTS}
                for run_id, row in changed.items()
            }
            for changed in (self.starts, self.ends)
        )
        return Changes(starts=rows, ends=ends, fills=self.fills, to_send=self.to_send)

    def start(self, row: dict[str, Any]) -> None:
        """Add a run."""
        self.starts.setdefault(row["run_id"], row)

    def end(self, run_id: str, values: dict[str, Any]) -> None:
        """Settle a run; where its start is still to be written, both become one row."""
        row = self.starts.get(run_id)
        if row is None:
            self.ends.setdefault(run_id, values)
        elif row["status"] == "started":
            row.update(values)

    def fill(self, root_run_id: str, values: dict[str, Any]) -> None:
        """Complete the runs of a root, written or not."""
        for row in self.starts.values():
            if row["root_run_id"] == root_run_id:
                row.update({name: value for name, value in values.items() if not row.get(name)})
        self.fills.append((root_run_id, values))


class RunStore:
    """The runs of one installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, changes: Changes) -> None:
        """Write everything, or nothing.

        Raises:
            StorageError: the database refuses.
        """
        starts = [self._sealed(run_id, row) for run_id, row in changes.starts.items()]
        ends = {run_id: self._sealed(run_id, values) for run_id, values in changes.ends.items()}
        with self._database.begin() as session:
            _insert(session, starts)
            _settle(session, ends)
            _fill(session, changes.fills)
            queue(session, "run", _not_erased(session, changes.to_send))

    def start(self, run: dict[str, Any]) -> None:
        """Write a run's row; a run that is there already stays as it is."""
        self.write(Changes(starts={run["run_id"]: run}))

    def settle(self, run_id: str, values: dict[str, Any]) -> None:
        """Close a started run; one that is closed already stays as it is."""
        self.write(Changes(ends={run_id: values}))

    def get(self, run_id: str) -> Run | None:
        """Return one run."""
        with self._database.read() as session:
            return session.get(Run, run_id)

    def tree(self, root_run_id: str) -> Sequence[Run]:
        """Return every run of one request, each before those below it."""
        mine = select(Run).where(Run.root_run_id == root_run_id)
        return _from_above(self._read(mine.order_by(Run.dotted_order, Run.started_at)))

    def of_root(self, root_run_id: str) -> Sequence[Run]:
        """Return the model calls of one request, in order."""
        mine = _llm_runs().where(Run.root_run_id == root_run_id)
        return self._read(mine.order_by(Run.started_at))

    def latest(self, limit: int | None) -> Sequence[Run]:
        """Return the newest model calls, newest first; all of them without a limit."""
        return self._read(_llm_runs().order_by(Run.started_at.desc()).limit(limit))

    def oldest_first(self) -> Sequence[Run]:
        """Return every model call, oldest first."""
        return self._read(_llm_runs().order_by(Run.started_at, Run.run_id))

    def _sealed(self, run_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as they are stored; of a person who was erased meanwhile, the figures."""
        try:
            return seal_values(self._database, Run, run_id, values)
        except ErasedError:
            named = {"name": values["run_type"]} if "run_type" in values else {}
            return {**values, **ERASED, **named}

    def _read(self, query: Select[Run]) -> Sequence[Run]:
        with self._database.read() as session:
            return session.scalars(query).all()


def _from_above(runs: Sequence[Run]) -> list[Run]:
    """Put each run behind the one above it; the order of a trace outside may sort it before."""
    known, below, found = {run.run_id for run in runs}, defaultdict[str | None, list[Run]](list), []
    for run in runs:
        below[run.parent_run_id if run.parent_run_id in known else None].append(run)
    left = below.pop(None, [])[::-1]
    while left:
        found.append(left.pop())
        left += below.pop(found[-1].run_id, [])[::-1]
    return [*found, *(run for rest in below.values() for run in rest)]


def _llm_runs() -> Select[Run]:
    return select(Run).where(Run.run_type == "llm")


_RUNS = cast("SqlTable", Run.__table__)
_COLUMNS = tuple(_RUNS.columns.keys())


_JSONS = frozenset(name for name, column in _RUNS.columns.items() if column.type is _JSON)


def _insert(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows past SQLAlchemy's own binding of values, which takes longer than the database."""
    if not rows:
        return
    connection = session.connection()
    compiled = _insertion(connection.dialect)
    order = compiled.positiontup
    whole = [{name: _bound(name, row.get(name)) for name in _COLUMNS} for row in rows]
    values = [tuple(row[name] for name in order) for row in whole] if order else whole
    connection.exec_driver_sql(str(compiled), values)


@cache
def _insertion(dialect: "Dialect") -> "SQLCompiler":
    statement = insert_into(dialect, _RUNS).on_conflict_do_nothing(index_elements=["run_id"])
    return statement.compile(dialect=dialect, column_keys=_COLUMNS)


def _bound(name: str, value: Any) -> Any:
    return value if value is None or name not in _JSONS else to_json(value)


def _settle(session: Session, ends: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ends in as few statements as there are kinds of them."""
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run_id, values in ends.items():
        changed = {name: value for name, value in values.items() if name != "user_id"}
        kinds.setdefault(tuple(changed), []).append({"_run_id": run_id, **changed})
    for names, rows in kinds.items():
        wanted = update(_RUNS).where(_RUNS.c.run_id == bindparam("_run_id"), _OPEN)
        session.connection().execute(wanted.values({name: bindparam(name) for name in names}), rows)


def _not_erased(session: Session, run_ids: Sequence[str]) -> Iterator[str]:
    """Yield the runs that are somebody's; of the others nothing is sent."""
    for first in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[first : first + _AT_ONCE]
        of_nobody = select(Run.run_id).where(Run.run_id.in_(some), Run.content == ERASED["content"])
        erased = set(session.scalars(of_nobody))
        yield from (run_id for run_id in some if run_id not in erased)


def _fill(session: Session, fills: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Write late values in one statement a column."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for root, values in fills:
        for name, value in values.items():
            columns.setdefault(name, []).append({"_root": root, "_value": value})
    for name, rows in columns.items():
        missing = _RUNS.c[name].is_(None)
        if name in ERASED:
            missing &= _RUNS.c.content != ERASED["content"]
        wanted = update(_RUNS).where(_RUNS.c.root_run_id == bindparam("_root"), missing)
        session.connection().execute(wanted.values({name: bindparam("_value")}), rows)
