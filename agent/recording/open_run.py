"""What has to be remembered of a run, and of the request it belongs to, until they end."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langsmith.run_helpers import get_current_run_tree, get_tracing_context

from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.run_store import Status

_CANCELLED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Spending:
    """The tokens and the cost of one request; `None` where a part of it is unknown."""

    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cost_nano_usd: int | None = 0

    def plus(self, other: "Spending") -> "Spending":
        """Add another one; what is unknown of either is unknown of both."""
        return Spending(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cost_nano_usd, other.cost_nano_usd),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run hangs."""

    above: str = ""
    """The dotted order of the run above."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What traces of LangSmith say of all that runs in them."""


@dataclass(slots=True, eq=False)
class Root:
    """A request: whose it is, where its tree hangs, and which of its runs are open."""

    run_id: UUID
    owner: Owner
    is_ours: bool = False
    """Whether `begin` opened it, so that `end` has to settle it."""
    trace_id: str = ""
    place: Place = field(default_factory=Place)
    """Where the tree hangs in a trace outside."""
    parent_run_id: str | None = None
    """The run outside."""
    project: str | None = None
    """The LangSmith project of the trace outside."""
    open: "dict[UUID, OpenRun]" = field(default_factory=dict)
    redactor: Redactor | None = None
    """One for all texts of a request, so that a value has one placeholder throughout."""
    spent: Spending = field(default_factory=Spending)
    is_paused: bool = False
    has_ended: bool = False

    @classmethod
    def make(cls, run_id: UUID, owner: Owner, *, adopts: bool) -> "Root":
        """Make a root, below the trace outside where there is one and it is to be adopted."""
        outside = get_current_run_tree() if adopts else None
        if outside is None:
            return cls(run_id, owner, trace_id=str(run_id))
        return cls(
            run_id,
            owner,
            trace_id=str(outside.trace_id),
            place=Place(outside.dotted_order, _outer_metadata()),
            parent_run_id=str(outside.id),
            project=outside.session_name,
        )


@dataclass(slots=True, eq=False)
class OpenRun:
    """A run that has started."""

    run_id: UUID
    root: Root
    run_type: str
    started_at: str
    dotted_order: str
    outer_metadata: Mapping[str, Any] = field(default_factory=dict)
    """What traces of LangSmith around it say."""
    is_late: bool = False
    """Whether its request had ended when it started."""
    started: float = field(default_factory=time.perf_counter)
    provider: str = ""
    model: str = ""
    first_token_ms: float | None = None
    pieces: list[str] = field(default_factory=list)
    """The text so far, in case the stream is cut."""
    inputs: Any = None
    """What a run was given, where that became known after its start was written."""
    outputs: tuple[Any, ...] = ()
    """What it gave back, once it has."""
    keeps_text: bool = False
    """Whether its owner had consented when its start was written."""

    @property
    def is_root(self) -> bool:
        """Whether it is the request itself."""
        return self.run_id == self.root.run_id

    @property
    def place_below(self) -> Place:
        """Where the runs below it hang."""
        return Place(self.dotted_order, self.outer_metadata)

    @property
    def latency_ms(self) -> float:
        """Milliseconds since its start."""
        return round((time.perf_counter() - self.started) * 1000, 3)

    def note_inputs(self, inputs: Any) -> None:
        """Remember what a run was given; a stream tells only at its end."""
        self.inputs = inputs if self.inputs is None else self.inputs

    def forget_texts(self) -> None:
        """Give back what was only remembered until it was written down."""
        self.inputs, self.outputs = None, ()
        self.pieces = []
        if self.is_root:
            self.root.redactor = None


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def stamp(started_at: str) -> str:
    """Write a time as LangSmith's dotted orders do."""
    return started_at.translate({ord(sign): None for sign in "-:."})


def status_of(error: BaseException) -> Status:
    """Return what a run comes to that raised."""
    return "cancelled" if isinstance(error, _CANCELLED) else "error"


def traced_above(run_id: UUID) -> tuple[Place, list[UUID]]:
    """Return where a run hangs whose parent LangSmith's own client traces around it.

    With it come the ids of the runs above that parent, the nearest first; none where the current
    trace does not know it.
    """
    tree = get_current_run_tree()
    above, found, _ = (tree.dotted_order if tree else "").partition(str(run_id))
    if not found:
        return Place(), []
    ids = [UUID(other) for other in reversed(_ID.findall(above))]
    return Place(above + found, _outer_metadata()), ids


def _outer_metadata() -> Mapping[str, Any]:
    return get_tracing_context()["metadata"] or {}
