"""The one door to LangSmith: it lets pass what may leave, and never holds up the process.

It looks up whose trace a run belongs to. Without consent a run goes as a skeleton: where it
stands in the tree, times, tokens, cost, and names from a list. So does a run whose trace is
not known, and one that `@traceable` opens below one of ours.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from langsmith import Client
from langsmith.utils import LangSmithUserError
from pydantic import BaseModel
from urllib3.util import Retry

_PATIENCE = 4.0
"""Seconds that closing waits for what is on its way."""
_TIMEOUT = (2.0, 5.0)
"""Seconds for a connection, and for an answer."""
PRICE_REFERENCE = "price_reference"
"""Where a run says whose price list its cost is by, or why it has none."""

_STRUCTURE = frozenset(
    {
        *("id", "trace_id", "parent_run_id", "dotted_order", "session_name", "project_name"),
        *("run_type", "start_time", "end_time"),
    }
)
_METADATA = frozenset(
    {
        *("user_id", "thread_id", "session_id", "assignment_id"),
        *("prompt_type", "task_type", "prompt", "prompt_digest", "model_asked"),
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
_EVENTS = frozenset({"start", "new_token", "end", "error", "retry"})
_NAME = re.compile(r"[\w.:/|+-]{1,128}")
"""One word; a sentence has blanks."""
_KEY = re.compile(r"\b(?:sk|pk|lsv2)[-_][\w*-]{12,}|(?<=Bearer )\S+")
_SHORTEST_KEY = 8
"""A shorter one would be found in ordinary words."""
_MAY_HOLD_KEYS = ("error", "events", "extra", "serialized")
_WITHOUT_TEXT = (bool, int, float, datetime, UUID, type(None))
_WRITTEN = ("inputs", "outputs", "error", "events")
"""Where people's words stand; elsewhere one word is a name or an id of ours."""
_ROOT_NAMES = {"chain": "assistant"}
"""What a root is called without text; its own name may come from whoever invokes the graph."""


class TraceClient(Client):
    """LangSmith's client, which holds text back and never holds up the end of the process."""

    def __init__(
        self,
        *,
        api_url: str,
        api_key: str,
        redact: Callable[[UUID, str], str],
        secrets: Iterable[str] = (),
    ) -> None:
        self.consents: dict[UUID, bool] = {}
        """The open roots, and whether their text may leave."""
        self._redact = redact
        self._secrets = tuple(key for key in {*secrets, api_key} if len(key) >= _SHORTEST_KEY)
        self._closes_at: float | None = None
        super().__init__(
            api_url=api_url,
            api_key=api_key,
            omit_traced_runtime_info=True,
            timeout_ms=(int(_TIMEOUT[0] * 1_000), int(_TIMEOUT[1] * 1_000)),
            retry_config=Retry(
                total=2,
                read=0,
                status_forcelist=[408, 425, 429, 500, 502, 503, 504],
                backoff_factor=0.5,
                allowed_methods=None,
                raise_on_status=False,
                respect_retry_after_header=False,
            ),
        )

    def root_of(self, dotted_order: str) -> UUID | None:
        """Return the innermost open root among a run and its ancestors."""
        ids = (UUID(part[-36:]) for part in reversed(dotted_order.split(".")) if part)
        return next((run_id for run_id in ids if run_id in self.consents), None)

    def create_run(self, name: str, inputs: dict[str, Any], run_type: Any, **fields: Any) -> None:
        """Send the start of a run, without what may not leave."""
        sent = self._permitted({**fields, "name": name, "inputs": inputs, "run_type": run_type})
        super().create_run(**{"inputs": {}, **sent})

    def update_run(self, run_id: UUID | str, **fields: Any) -> None:
        """Send the end of a run, without what may not leave."""
        sent = self._permitted({**fields, "id": UUID(str(run_id))})
        super().update_run(sent.pop("id"), **sent)

    def request_with_retries(self, /, method: Any, pathname: str, **options: Any) -> Any:
        """Send a request, unless the time for closing has passed."""
        if self._is_closed():
            raise LangSmithUserError("tracing was closed before this could be sent")
        given = options.pop("request_kwargs", None) or {}
        options["request_kwargs"] = {**given, "timeout": _TIMEOUT}
        return super().request_with_retries(method, pathname, **options)

    def close(self, timeout: float | None = _PATIENCE) -> None:
        """Send what is on its way, for `timeout` seconds at most; the rest is dropped."""
        now = time.monotonic()
        if self._closes_at is None:
            self._closes_at = now + (_PATIENCE if timeout is None else timeout)
        super().close(timeout=max(0.0, self._closes_at - now))

    def _is_closed(self) -> bool:
        """Say whether time is up; it runs from `close`, else from the end of the main thread."""
        if self._closes_at is None and not threading.main_thread().is_alive():
            self._closes_at = time.monotonic() + _PATIENCE
        return self._closes_at is not None and time.monotonic() > self._closes_at

    def _permitted(self, fields: dict[str, Any]) -> dict[str, Any]:
        root = self.root_of(fields.get("dotted_order") or "")
        if root is not None and self.consents[root]:
            return {
                name: value if name in _STRUCTURE else self._cleaned(name, value, root)
                for name, value in fields.items()
            }
        return _skeleton(fields, is_below=root is not None and root != fields.get("id"))

    def _cleaned(self, name: str, value: Any, root: UUID) -> Any:
        """Replace personal data, and API keys where nobody typed them."""

        def redact(text: str) -> str:
            is_ours = name not in _WRITTEN and _NAME.fullmatch(text)
            return text if is_ours else self._redact(root, text)

        without_keys = self._scrub(value) if name in _MAY_HOLD_KEYS else value
        return _each_text(without_keys, redact)

    def _scrub(self, value: Any) -> Any:
        """Replace API keys in text, however deep it lies."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[key]")
            return _KEY.sub("[key]", value)
        if isinstance(value, Mapping):
            return {name: self._scrub(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._scrub(inner) for inner in value]
        return value


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text, however deep it lies."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_each_text(inner, change) for inner in value]
    if isinstance(value, BaseModel):
        return _each_text(value.model_dump(), change)
    if is_dataclass(value) and not isinstance(value, type):
        return _each_text(asdict(value), change)
    # What LangSmith's client would make a text of by itself must not pass unread.
    return value if isinstance(value, _WITHOUT_TEXT) else change(repr(value))


def _skeleton(fields: Mapping[str, Any], *, is_below: bool) -> dict[str, Any]:
    """Return what of a run may leave without consent; the rest is not even named."""
    kept = {name: fields[name] for name in _STRUCTURE if fields.get(name) is not None}
    run_type = str(fields.get("run_type"))
    extra = fields.get("extra") or {}
    metadata = _safe_metadata(extra.get("metadata") or {})
    if PRICE_REFERENCE in extra:
        metadata[PRICE_REFERENCE] = extra[PRICE_REFERENCE]
    return {
        **kept,
        "name": fields.get("name") if is_below else _ROOT_NAMES.get(run_type, run_type),
        "extra": {"metadata": metadata},
        "events": [
            {"name": event["name"], "time": event.get("time")}
            for event in fields.get("events") or ()
            if event.get("name") in _EVENTS
        ],
        "error": _kind_of(fields["error"]) if fields.get("error") else None,
    }


def _safe_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: value
        for name, value in metadata.items()
        if name in _METADATA
        and (isinstance(value, int | float) or (isinstance(value, str) and _NAME.fullmatch(value)))
    }
    if usage := metadata.get("usage_metadata"):
        kept["usage_metadata"] = _numbers_of(usage)
    return kept


def _numbers_of(usage: Any) -> dict[str, Any]:
    if not isinstance(usage, Mapping):
        return {}
    return {
        name: _numbers_of(value) if isinstance(value, Mapping) else value
        for name, value in usage.items()
        if name in _USAGE and isinstance(value, int | float | Mapping)
    }


def _kind_of(error: str) -> str:
    first = error.partition("\n")[0]
    return first if first.isidentifier() else "Error"
