"""Runs as LangSmith takes them: rows of the record go in, the body of a request comes out.

What may leave is decided here. Without consent a run goes as a skeleton: where it stands in the
tree, times, tokens, cost, and names from a list. It knows nothing of queues and connections.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from agent.prices import to_usd
from agent.recording.messages import as_object, messages_of, reply_of
from agent.recording.outbox import Opinion

_METADATA = frozenset(
    {
        *("user_id", "thread_id", "session_id", "assignment_id", "course", "attempt"),
        *("prompt_type", "task_type", "prompt", "prompt_digest", "model_asked", "cache"),
        *("ls_provider", "ls_model_name", "ls_model_type", "ls_temperature", "ls_max_tokens"),
        *("ls_integration", "langgraph_node", "langgraph_step", "langgraph_checkpoint_ns"),
    }
)
"""What may stand in the metadata of a run without text, where its value is a name or a number."""
_USAGE = frozenset(
    {
        *("input_tokens", "output_tokens", "total_tokens"),
        *("input_token_details", "output_token_details"),
        *("cache_read", "cache_creation", "reasoning", "audio"),
        *("input_cost", "output_cost", "total_cost"),
    }
)
_COLUMNS = ("user_id", "thread_id", "assignment_id", "course", "prompt_type", "task_type")
_NAME = re.compile(r"[\w.:/|+-]{1,128}")
"""One word; a sentence has blanks."""
_KEY = re.compile(r"\b(?:sk|pk|lsv2)[-_][\w*-]{12,}|(?<=Bearer )\S+")
_SHORTEST_KEY = 8
"""A shorter one would be found in ordinary words."""
_ROOT_NAMES = {"chain": "assistant"}
"""What a root is called without text; its own name may come from whoever invokes the graph."""
_OUR_ERRORS = ("no finish reason",)
_CALLS = ("llm", "embedding")
_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class SentRun:
    """One run as it is sent."""

    run_id: str
    verb: str
    """`post` for a run that LangSmith has not heard of, else `patch`."""
    main: bytes
    parts: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.main) + sum(len(part) for _, part in self.parts)


class RunShaper:
    """Makes what is sent of a run out of its row."""

    def __init__(self, *, project: str, secrets: Iterable[str] = ()) -> None:
        """Take what holds for every run.

        Args:
            project: The LangSmith project, where a run has none of its own.
            secrets: The keys of the settings, which never leave.

        """
        self._project = project
        self._secrets = tuple(key for key in secrets if len(key) >= _SHORTEST_KEY)

    def shape(self, row: Mapping[str, Any], *, with_text: bool, is_patch: bool = False) -> SentRun:
        """Return a run as it is sent; one that is still open is sent without an end.

        Args:
            row: The columns of `runs`.
            with_text: Whether its owner consents; a row without text is a skeleton all the same.
            is_patch: Whether LangSmith has heard of the run already.

        """
        is_full = with_text and row["content"] == "kept"
        usage = _usage_of(row)
        extra: dict[str, Any] = {"metadata": self._metadata(row, usage, is_full=is_full)}
        if is_full and row["run_type"] == "llm":
            extra["invocation_params"] = self._scrub(_parameters_of(row))
        parts = {
            "inputs": messages_of(row) if is_full else _EMPTY,
            "outputs": _outputs_of(row, usage, is_full=is_full),
            "extra": orjson.dumps(extra),
            "events": orjson.dumps(_events_of(row)),
            "error": orjson.dumps(error) if (error := _error_of(row, is_full=is_full)) else b"",
        }
        place = self._place(row, is_full=is_full, is_patch=is_patch)
        return SentRun(
            row["run_id"],
            "patch" if is_patch else "post",
            self._without_secrets(orjson.dumps(place)),
            tuple((name, self._without_secrets(part)) for name, part in parts.items() if part),
        )

    def _place(self, row: Mapping[str, Any], *, is_full: bool, is_patch: bool) -> dict[str, Any]:
        """Return what a run is, and where it stands in its tree."""
        run_id, order = row["run_id"], row["dotted_order"]
        tags = [*((row["tags"] or ()) if is_full else ()), row["prompt_version"]]
        place = {
            "id": run_id,
            "name": self._scrub(row["name"]) if is_full else _safe_name(row),
            "run_type": row["run_type"],
            # LangSmith has it where a cost alone is new, and is reported to refuse old ones.
            "start_time": None if is_patch and row["repriced"] else row["started_at"],
            "end_time": row["ended_at"] if row["status"] != "started" else None,
            # A run whose place was not recorded is a trace of its own.
            "trace_id": row["trace_id"] if order else run_id,
            # It may be a function that LangSmith traces: the order names it, the record has none.
            "parent_run_id": (order or "").rpartition(".")[0][-36:] or None,
            "dotted_order": order or f"{_compact(row['started_at'])}{run_id}",
            "session_name": row["project"] or self._project,
            "tags": [self._scrub(tag) for tag in tags if tag and (is_full or _is_name(tag))],
        }
        return {name: value for name, value in place.items() if value is not None}

    def _metadata(
        self, row: Mapping[str, Any], usage: Mapping[str, Any], *, is_full: bool
    ) -> dict[str, Any]:
        attributes = dict(row["attributes"] or {})
        attributes.pop("usage_metadata", None)  # tokens are counted where they were used
        own = {name: row[name] for name in _COLUMNS} | {
            "session_id": row["thread_id"],
            "prompt": row["prompt_version"],
            "prompt_digest": row["prompt_digest"],
            "model_asked": row["model_asked"],
            "cache": row["cache"],
        }
        if row["run_type"] in _CALLS:
            own |= {"ls_provider": row["provider"], "ls_model_name": _model_of(row)}
        if row["run_type"] == "llm":
            own["ls_model_type"] = attributes.get("ls_model_type") or "chat"
        metadata = {**attributes, **{name: value for name, value in own.items() if value}}
        metadata = self._scrub(metadata) if is_full else _safe_metadata(metadata)
        facts = {
            "status": row["status"],
            "paused": row["paused"] or None,
            "price_reference": row["price_reference"],
            "usage_metadata": (usage if is_full else _numbers_of(usage)) or None,
        }
        return {**metadata, **{name: value for name, value in facts.items() if value is not None}}

    def _scrub(self, value: Any) -> Any:
        """Replace what looks like an API key, however deep it lies."""
        if isinstance(value, str):
            return _KEY.sub("[key]", value)
        if isinstance(value, Mapping):
            return {str(name): self._scrub(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._scrub(inner) for inner in value]
        return value

    def _without_secrets(self, part: bytes) -> bytes:
        for secret in self._secrets:
            part = part.replace(orjson.dumps(secret)[1:-1], b"[key]")
        return part


def as_multipart(runs: Sequence[SentRun], boundary: str) -> bytes:
    """Write runs as the body of `POST /runs/multipart`."""
    pieces: list[bytes] = []
    for run in runs:
        name = f"{run.verb}.{run.run_id}"
        for part, content in ((name, run.main), *((f"{name}.{part}", c) for part, c in run.parts)):
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"\r\n'
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            pieces += (head.encode(), content, b"\r\n")
    return b"".join((*pieces, f"--{boundary}--\r\n".encode()))


def as_batch(runs: Sequence[SentRun]) -> bytes:
    """Write runs as the body of `POST /runs/batch`, for servers without multipart."""
    written: dict[str, list[bytes]] = {"post": [], "patch": []}
    for run in runs:
        parts = b"".join(b',"%s":%s' % (name.encode(), part) for name, part in run.parts)
        written[run.verb].append(run.main[:-1] + parts + b"}")
    lists = (b'"%s":[%s]' % (verb.encode(), b",".join(of)) for verb, of in written.items())
    return b"{%s}" % b",".join(lists)


def feedback_of(run: Mapping[str, Any], opinion: Opinion, *, with_text: bool) -> dict[str, Any]:
    """Return what a person says of a run as LangSmith takes it; said again, it has the same id."""
    return {
        "id": str(uuid.uuid5(uuid.UUID(run["run_id"]), opinion.user_id)),
        "run_id": run["run_id"],
        "trace_id": run["trace_id"] or run["run_id"],
        "key": "rating",
        "score": opinion.score,
        "value": opinion.rating,
        "comment": opinion.comment if with_text else None,
        "feedback_source": {"type": "api", "metadata": {"user_id": opinion.user_id}},
        "created_at": opinion.given_at,
        "modified_at": opinion.changed_at,
    }


def _outputs_of(row: Mapping[str, Any], usage: Mapping[str, Any], *, is_full: bool) -> bytes:
    if row["status"] == "started":
        return b""
    if not is_full:
        return _EMPTY
    return reply_of(row, usage) if row["run_type"] == "llm" else as_object(row["outputs"], "output")


def _usage_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens and costs as LangSmith reads them; what is not known is not there."""
    asked, replied = row["input_tokens"], row["output_tokens"]
    was_used = row["cache"] != "hit"
    told = _numbers_of(row["usage_details"] or {}, among=None) if was_used else {}
    price = row["price"] or {}
    usage = {
        "input_tokens": asked,
        "output_tokens": replied,
        "total_tokens": None if asked is None or replied is None else asked + replied,
        "input_token_details": told.get("input_token_details"),
        "output_token_details": told.get("output_token_details"),
        "input_cost": to_usd(price.get("input_nano_usd")) if was_used else None,
        "output_cost": to_usd(price.get("output_nano_usd")) if was_used else None,
        "total_cost": to_usd(row["cost_nano_usd"]),
    }
    return {name: value for name, value in usage.items() if value is not None}


def _parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call, with what the playground chooses its model by."""
    named = {"model": _model_of(row), "model_name": _model_of(row)}
    kind = {"_type": f"{row['provider']}-chat"} if row["provider"] else {}
    return {**kind, **named, **(row["parameters"] or {})}


def _model_of(row: Mapping[str, Any]) -> str:
    """Return the model that served, or else the one that was asked."""
    asked = row["model_asked"] or ""
    return row["model_served"] or asked.partition(":")[2] or asked


def _events_of(row: Mapping[str, Any]) -> list[dict[str, str]]:
    events = [{"name": "start", "time": row["started_at"]}]
    if row["first_token_ms"] is not None:
        first = _time(row["started_at"]) + timedelta(milliseconds=row["first_token_ms"])
        events.append({"name": "new_token", "time": first.isoformat()})
    if row["status"] != "started" and row["ended_at"]:
        events.append({"name": "error" if row["error"] else "end", "time": row["ended_at"]})
    return events


def _error_of(row: Mapping[str, Any], *, is_full: bool) -> str | None:
    error: str | None = row["error"]
    if error is None or is_full or error.isidentifier() or error in _OUR_ERRORS:
        return error
    return "Error"


def _safe_name(row: Mapping[str, Any]) -> str:
    kind: str = row["run_type"]
    if row["run_id"] == row["root_run_id"]:
        return _ROOT_NAMES.get(kind, kind)
    return row["name"] if _is_name(row["name"]) else kind


def _safe_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in metadata.items()
        if name in _METADATA and (isinstance(value, int | float) or _is_name(value))
    }


def _numbers_of(usage: Mapping[str, Any], among: frozenset[str] | None = _USAGE) -> dict[str, Any]:
    """Return the numbers of a usage, those of some names or of all."""
    return {
        name: _numbers_of(value, among) if isinstance(value, Mapping) else value
        for name, value in usage.items()
        if (among is None or name in among) and isinstance(value, int | float | Mapping)
    }


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _time(stored: str) -> datetime:
    return datetime.fromisoformat(stored)


def _compact(stored: str) -> str:
    return f"{_time(stored):%Y%m%dT%H%M%S%fZ}"
