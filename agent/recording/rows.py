"""Rows out of events: whose, where in the tree, and what of their text may be kept.

All of this happens in the writer's thread, because it asks the database who consented, and reads
every text for personal data.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from agent.database import utc_now
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.open_run import OpenRun, Root
from agent.recording.run_store import TEXTS, Changes, Status
from agent.recording.shapes import WORD, as_json, shape
from agent.recording.texts import left_out_of, storable

Texts = Callable[[Callable[[str], str]], dict[str, Any]]
"""Makes the columns that hold text, with what replaces personal data in it."""

_COLUMNS = {
    "thread_id": "thread_id",
    "assignment_id": "assignment_id",
    "course": "course",
    "prompt_type": "prompt_type",
    "task_type": "task_type",
    "prompt": "prompt_version",
    "prompt_digest": "prompt_digest",
}
"""The metadata that have columns of their own."""
_ELSEWHERE = {
    *_COLUMNS,
    *("session_id", "user_id", "left_out", "model_asked", "ls_provider", "ls_model_name"),
}
_SAFE = {
    *("ls_model_type", "ls_temperature", "ls_max_tokens", "ls_integration", "attempt"),
    *("langgraph_node", "langgraph_step", "langgraph_checkpoint_ns"),
}
"""What else may be kept of metadata without consent, where its value is a name or a number."""
_OWN_TAGS = re.compile(r"(seq|graph|map|langsmith|condition|branch):[\w:.]+|nostream")
"""The tags that LangChain and LangGraph set."""
_ROOT_NAMES = {"chain": "assistant"}
"""What a root is called without consent; its own name may come from whoever invokes the graph."""
_NO_TEXT: dict[str, Any] = {
    **dict.fromkeys(("message_roles", *TEXTS)),
    "content": "no consent",
}


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an event said of a run that starts."""

    name: str
    parent_run_id: str | None
    metadata: Mapping[str, Any]
    tags: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """Columns without text."""
    texts: Texts | None = None

    @classmethod
    def of(
        cls,
        run_type: str,
        serialized: Mapping[str, Any] | None,
        parent_run_id: UUID | None,
        about: Mapping[str, Any],
        texts: Texts,
        values: Mapping[str, Any] | None = None,
    ) -> "Beginning":
        """Take what LangChain says of every run from an event's arguments."""
        return cls(
            str(about.get("name") or (serialized or {}).get("name") or run_type),
            str(parent_run_id) if parent_run_id else None,
            about.get("metadata") or {},
            tuple(about.get("tags") or ()),
            values or {},
            texts,
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """What an event said of a run that ends."""

    status: Status
    error: str | None = None
    ended_at: str = field(default_factory=utc_now)
    values: Mapping[str, Any] = field(default_factory=dict)
    texts: Texts | None = None


class RowMaker:
    """Makes the rows of one process."""

    def __init__(
        self,
        *,
        process_id: str,
        sends: bool,
        has_consent: Callable[[Owner], bool],
        make_redactor: Callable[[Owner], Redactor],
    ) -> None:
        self._process_id = process_id
        self._sends = sends
        self._has_consent = has_consent
        self._make_redactor = make_redactor
        self._consents: dict[Owner, bool] = {}
        """Who had consented when the current transaction was made; it is asked once for each."""
        self._current: Changes | None = None

    def start(self, changes: Changes, run: OpenRun, beginning: Beginning) -> None:
        """Add the row of a run that has started."""
        root = run.root
        run.keeps_text = not run.is_late and self._may_keep(root, changes)
        row: dict[str, Any] = {
            "run_id": str(run.run_id),
            "root_run_id": str(root.run_id),
            "trace_id": root.trace_id,
            "parent_run_id": beginning.parent_run_id
            or (root.parent_run_id if run.is_root else None),
            "dotted_order": run.dotted_order,
            "project": root.project,
            "process_id": self._process_id,
            "run_type": run.run_type,
            "status": "started",
            "started_at": run.started_at,
            "user_id": root.owner.user_id,
            "content": "kept" if run.keeps_text else "no consent",
            **beginning.values,
            **self._named(run, beginning),
        }
        row["parameters"] = shape(row.get("parameters"), storable)
        row["course"] = root.owner.course or row["course"]
        if run.keeps_text and beginning.texts:
            row.update(self._read(root, beginning.texts))
        changes.start(row)

    def end(self, changes: Changes, run: OpenRun, latency_ms: float, ending: Ending) -> None:
        """Settle the row of a run that has ended."""
        values = {
            "user_id": run.root.owner.user_id,
            "status": ending.status,
            "error": ending.error,
            "ended_at": ending.ended_at,
            "latency_ms": latency_ms,
            "first_token_ms": run.first_token_ms,
            **ending.values,
        }
        if run.keeps_text and not self._may_keep(run.root, changes):
            values.update(_NO_TEXT)
        elif run.keeps_text and ending.texts:
            values.update(self._read(run.root, ending.texts))
        changes.end(str(run.run_id), values)
        run.forget_texts()
        if self._sends:
            changes.to_send.append(str(run.run_id))

    def _named(self, run: OpenRun, beginning: Beginning) -> dict[str, Any]:
        """Return name, tags and metadata; nothing of them where they cannot be written down."""
        metadata = {**run.outer_metadata, **beginning.metadata}
        try:
            redactor = _redactor_of(run.root) if run.keeps_text else None
            named = _bare(run, beginning) if redactor is None else _cleaned(beginning, redactor)
            return {**named, **_told(metadata, redactor)}
        except Exception:  # noqa: BLE001 - whatever cannot be written must not lose the run
            return {"name": run.run_type, "course": None}

    def _read(self, root: Root, texts: Texts) -> dict[str, Any]:
        """Return the columns of text; none where they cannot be written down."""
        redactor = _redactor_of(root)

        def change(text: str) -> str:
            return redactor.redact_or_hash(storable(text))

        try:
            return texts(change)
        except Exception:  # noqa: BLE001 - whatever cannot be written must not lose the run
            return {}

    def _may_keep(self, root: Root, changes: Changes) -> bool:
        """Say whether a request's text may be kept now; whatever fails, it may not."""
        owner = root.owner
        if changes is not self._current:
            self._current = changes
            self._consents.clear()
        try:
            if owner not in self._consents:
                self._consents[owner] = self._has_consent(owner)
            if self._consents[owner] and root.redactor is None:
                root.redactor = self._make_redactor(owner)
        except Exception:  # noqa: BLE001 - the run is recorded all the same
            return False
        return self._consents[owner]


def input_texts(given: Any, change: Callable[[str], str]) -> dict[str, Any]:
    """Write what a step was given."""
    return {"inputs": as_json(given, change)}


def step_texts(run: OpenRun, change: Callable[[str], str]) -> dict[str, Any]:
    """Write what a step gave back, and what it was given where its start did not know that."""
    told = {} if run.inputs is None else input_texts(run.inputs, change)
    if run.outputs:
        told["outputs"] = as_json(run.outputs[0], change)
    return told


def _redactor_of(root: Root) -> Redactor:
    """Return what reads the texts of a request, which `_may_keep` has made."""
    if root.redactor is None:
        raise LookupError("a text is read only where it may be kept")
    return root.redactor


def _cleaned(beginning: Beginning, redactor: Redactor) -> dict[str, Any]:
    """Return name and tags, read by the redactor."""
    tags = [_clean(str(tag), redactor) for tag in beginning.tags]
    return {"name": _clean(beginning.name, redactor), "tags": tags or None}


def _bare(run: OpenRun, beginning: Beginning) -> dict[str, Any]:
    """Return name and tags where nobody consented: no word that a caller can have chosen."""
    name = beginning.name if WORD.fullmatch(beginning.name) else run.run_type
    if run.is_root:
        name = _ROOT_NAMES.get(run.run_type, run.run_type)
    tags = [tag for tag in map(str, beginning.tags) if _OWN_TAGS.fullmatch(tag)]
    return {"name": name, "tags": tags or None}


def _told(metadata: Mapping[str, Any], redactor: Redactor | None) -> dict[str, Any]:
    """Return what metadata say, in columns of their own and in the one for the rest."""
    if redactor is None:
        told = {key: value for key, value in metadata.items() if _is_plain(value)}
        rest = {key: value for key, value in told.items() if key in _SAFE}
    else:
        told = {key: metadata[key] for key in _COLUMNS if key in metadata}
        told = {key: _clean(str(value), redactor) if value else None for key, value in told.items()}
        rest = {key: value for key, value in metadata.items() if key not in _ELSEWHERE}
        rest = shape(rest, partial(_clean, redactor=redactor))
    return {
        "attributes": rest or None,
        "left_out": left_out_of(metadata.get("left_out"), redactor),
        **{
            column: storable(str(value)) if (value := told.get(key)) else None
            for key, column in _COLUMNS.items()
        },
    }


def _clean(text: str, redactor: Redactor) -> str:
    """Return a name, or a text as the redactor has read it."""
    return text if WORD.fullmatch(text) else redactor.redact_or_hash(storable(text))


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return WORD.fullmatch(value) is not None
    return isinstance(value, bool | int | float)
