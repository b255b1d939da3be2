"""The store of runs: one row a run, written when it starts and settled when it ends.

It knows rows and transactions, nothing of callbacks or of what may be written down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, Index, Select, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from agent.database import Database, Table, utc_now

Status = Literal["started", "done", "error", "cancelled", "incomplete"]
"""`incomplete` is a reply that began and broke off."""


class Run(Table):
    """One run: the root of a request (`chain`), or one call of a model (`llm`)."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_trace", "trace_id"),
        Index("runs_by_start", "run_type", "started_at"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    trace_id: Mapped[str]
    parent_run_id: Mapped[str | None]
    run_type: Mapped[str]
    name: Mapped[str]
    status: Mapped[str]
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
    left_out: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    model_asked: Mapped[str | None]
    model_served: Mapped[str | None]
    model_version: Mapped[str | None]
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    finish_reason: Mapped[str | None]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    usage_details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    cost_nano_usd: Mapped[int | None] = mapped_column(BigInteger)
    price_reference: Mapped[str | None]
    content: Mapped[str]
    """`kept`, or why there is no text: `no consent`, `not text`."""
    prompt: Mapped[str | None]
    response: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Spending:
    """The tokens and the cost of one request; `None` where a part of it is unknown."""

    input_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None


class RunStore:
    """The runs of one installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, run: dict[str, Any]) -> None:
        """Write a run's row; a run that is there already stays as it is."""
        try:
            with self._database.begin() as session:
                if session.get(Run, run["run_id"]) is None:
                    session.add(Run(**run))
        except IntegrityError:
            return

    def settle(self, run_id: str, values: dict[str, Any]) -> None:
        """Close a started run; one that is closed already stays as it is."""
        with self._database.begin() as session:
            session.execute(
                update(Run).where(Run.run_id == run_id, Run.status == "started").values(values)
            )

    def settle_open(self, trace_id: str, status: Status, *, error: str | None = None) -> None:
        """Close what is still open below a root that has ended."""
        with self._database.begin() as session:
            session.execute(
                update(Run)
                .where(Run.trace_id == trace_id, Run.status == "started")
                .values(status=status, ended_at=utc_now(), error=error)
            )

    def complete(self, trace_id: str, **values: str) -> None:
        """Write what became known late on those runs of a request that lack it."""
        with self._database.begin() as session:
            for name, value in values.items():
                missing = getattr(Run, name).is_(None)
                session.execute(
                    update(Run).where(Run.trace_id == trace_id, missing).values({name: value})
                )

    def get(self, run_id: str) -> Run | None:
        """Return one run."""
        with self._database.read() as session:
            return session.get(Run, run_id)

    def of_trace(self, trace_id: str) -> Sequence[Run]:
        """Return the model calls of one request, in order."""
        return self._read(_llm_runs().where(Run.trace_id == trace_id).order_by(Run.started_at))

    def latest(self, limit: int | None) -> Sequence[Run]:
        """Return the newest model calls, newest first; all of them without a limit."""
        return self._read(_llm_runs().order_by(Run.started_at.desc()).limit(limit))

    def oldest_first(self) -> Sequence[Run]:
        """Return every model call, oldest first."""
        return self._read(_llm_runs().order_by(Run.started_at, Run.run_id))

    def spending(self, trace_id: str) -> Spending:
        """Add up what one request used."""
        runs = self.of_trace(trace_id)
        return Spending(
            input_tokens=_total([run.input_tokens for run in runs]),
            output_tokens=_total([run.output_tokens for run in runs]),
            cost_nano_usd=_total([run.cost_nano_usd for run in runs]),
        )

    def _read(self, query: Select[Run]) -> Sequence[Run]:
        with self._database.read() as session:
            return session.scalars(query).all()


def _llm_runs() -> Select[Run]:
    return select(Run).where(Run.run_type == "llm")


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
