"""The one callback handler: it turns LangChain's events into rows of the run store.

A failure to record is a failure of the run: nothing is acknowledged without its record.
It knows consent and prices by the two functions it is given.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from agent.database import utc_now
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.open_run import OpenRun
from agent.recording.run_store import RunStore, Status
from agent.recording.texts import flatten, left_out_of, message_of, storable, text_of
from graphs.calls import finish_reason

_PARAMETERS = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop")
_REMEMBERED = 10_000
_GUARDS = 64
_CANCELLED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)


class RecordingHandler(BaseCallbackHandler):
    """Records the root run and every LLM run below it, whoever invokes the graph."""

    raise_error = True

    def __init__(
        self,
        store: RunStore,
        *,
        prices: PriceList,
        default_owner: Owner,
        has_consent: Callable[[Owner], bool],
        make_redactor: Callable[[Owner], Redactor],
    ) -> None:
        self._store = store
        self._prices = prices
        self._default_owner = default_owner
        self._has_consent = has_consent
        self._make_redactor = make_redactor
        self._lock = threading.Lock()
        """Events of one trace come from several threads."""
        self._guards = [threading.RLock() for _ in range(_GUARDS)]
        self._traces: dict[UUID, UUID] = {}
        """Each open run, and the root it belongs to; a root belongs to itself."""
        self._open: dict[UUID, OpenRun] = {}
        self._redactors: dict[UUID, Redactor] = {}
        """One for each open root, so that a value has one placeholder throughout a request."""
        self._owners: dict[UUID, Owner] = {}
        """Whose an open root is, where it is not the default person's."""
        self._past: OrderedDict[UUID, Owner] = OrderedDict()
        """Whose the roots were that ended last; a late start is still theirs."""
        self._ended: OrderedDict[UUID, UUID] = OrderedDict()
        """The runs that ended with their roots lately, and these; a start that was on its way
        meanwhile is closed at once."""

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        name: str = "chain",
        **_: Any,
    ) -> None:
        """Open the root's row; of the runs below, remember only whose they are."""
        with self._lock:
            is_known = run_id in self._traces
        if not is_known and self._enter(run_id, parent_run_id) == run_id:
            self._start_root(name, run_id, parent_run_id, metadata or {})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """Settle the root, and name the request's category where it came late.

        A root that `begin` opened is settled by `end`: there is more to do for it.
        """
        if self._leave(run_id) != run_id:
            return
        kind = outputs.get("prompt_type") if isinstance(outputs, Mapping) else None
        if kind:
            self._store.complete(str(run_id), prompt_type=kind)
        if run_id not in self._owners:
            self._end_root(run_id, "done", None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Settle the root, and whatever a cancelled call left open below it."""
        if self._leave(run_id) == run_id:
            self._end_root(run_id, _status_of(error), type(error).__name__)

    def begin(self, run_id: UUID, *, name: str, owner: Owner, metadata: Mapping[str, Any]) -> None:
        """Open the row of a root that is about to run for a person, before anything is done.

        It is the only way to name a person: what stands in a run's metadata may come from a
        client, who could file it under another's name or profit from another's consent.
        """
        self._owners[run_id] = owner
        self._enter(run_id, None)
        self._start_root(name, run_id, None, metadata)

    def end(self, run_id: UUID) -> None:
        """Settle a root that `begin` opened, once its answer is made."""
        self._end_root(run_id, "done", None)

    def owner_of(self, root: UUID) -> Owner:
        """Return whose a root is, or was."""
        return self._owners.get(root) or self._past.get(root, self._default_owner)

    def redactor_of(self, root: UUID) -> Redactor:
        """Return what replaces personal data in the texts of a root."""
        with self._lock:
            known = self._redactors.get(root)
        if known is None:
            made = self._make_redactor(self.owner_of(root))
            with self._lock:
                known = self._redactors.setdefault(root, made)
                if root in self._ended:  # a late one; nobody else will take it out
                    self._redactors.pop(root, None)
        return known

    def close(self, run_id: UUID, error: BaseException) -> None:
        """Close a root that ended before LangChain would say so; a settled one stays."""
        self._leave(run_id)
        self._end_root(run_id, _status_of(error), type(error).__name__)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a model call's row, before the provider is asked."""

        def prompt() -> str:
            return storable(flatten(messages[0])) if messages else ""

        self._start_llm(run_id, parent_run_id, metadata or {}, kwargs, prompt)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the row of a text model's call."""

        def prompt() -> str:
            return storable("\n\n".join(prompts))

        self._start_llm(run_id, parent_run_id, metadata or {}, kwargs, prompt)

    def on_llm_new_token(
        self, token: str | list[str | dict[str, Any]], *, run_id: UUID, **_: Any
    ) -> None:
        """Note when the first token came, and keep the text in case the stream is cut."""
        if (run := self._open.get(run_id)) is None:
            return
        if run.first_token_ms is None:
            run.first_token_ms = _ms_since(run.started)
        if run.keeps_text and isinstance(token, str):
            run.pieces.append(token)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Settle a model call with its tokens and its cost."""
        self._settle_llm(run_id, "done", response, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Settle a model call that failed or was stopped, with the text that had come."""
        response = kwargs.get("response")
        self._settle_llm(run_id, _status_of(error), response, type(error).__name__)

    def _start_root(
        self, name: str, run_id: UUID, parent_run_id: UUID | None, metadata: Mapping[str, Any]
    ) -> None:
        row = self._row("chain", name, run_id, parent_run_id, run_id, metadata)
        self._store.start({**row, "content": "not text"})
        self._close_if_late(run_id)

    def _start_llm(
        self,
        run_id: UUID,
        parent_run_id: UUID | None,
        metadata: dict[str, Any],
        kwargs: dict[str, Any],
        prompt: Callable[[], str],
    ) -> None:
        root = self._enter(run_id, parent_run_id)
        provider = str(metadata.get("ls_provider") or "")
        asked = str(metadata.get("ls_model_name") or "")
        name = str(kwargs.get("name") or "llm")
        row = self._row("llm", name, run_id, parent_run_id, root, metadata)
        keeps_text = not self._is_late(root) and self._has_consent(self.owner_of(root))
        parameters = kwargs.get("invocation_params") or {}
        opened = OpenRun(
            started=time.perf_counter(),
            root=root,
            keeps_text=keeps_text,
            provider=provider,
            model=asked,
            started_at=row["started_at"],
        )
        with self._lock:
            self._open[run_id] = opened
        self._store.start(
            {
                **row,
                "left_out": left_out_of(
                    row["left_out"], self.redactor_of(root) if keeps_text else None
                ),
                "model_asked": metadata.get("model_asked") or f"{provider}:{asked}",
                "parameters": {
                    name: value
                    for name in _PARAMETERS
                    if (value := parameters.get(name)) is not None
                },
                "content": "kept" if keeps_text else "no consent",
                "prompt": self.redactor_of(root).redact_or_hash(prompt()) if keeps_text else None,
            }
        )
        self._close_if_late(root)

    def _enter(self, run_id: UUID, parent_run_id: UUID | None) -> UUID:
        """Remember a run and return its root: itself, unless its parent is one of ours."""
        with self._lock:
            root = run_id
            if parent_run_id:
                root = self._traces.get(parent_run_id) or self._ended.get(parent_run_id, run_id)
            self._traces[run_id] = root
            return root

    def _leave(self, run_id: UUID) -> UUID | None:
        with self._lock:
            return self._traces.pop(run_id, None)

    def _close_if_late(self, root: UUID) -> None:
        if self._is_late(root):
            self._end_root(root, "cancelled", "CancelledError")

    def _is_late(self, root: UUID) -> bool:
        """Say whether a root has ended, so that what starts below it comes too late."""
        with self._lock:
            return root in self._ended

    def _row(
        self,
        run_type: str,
        name: str,
        run_id: UUID,
        parent_run_id: UUID | None,
        root: UUID,
        metadata: Mapping[str, Any],
    ) -> dict[str, Any]:
        owner = self.owner_of(root)
        return {
            "run_id": str(run_id),
            "parent_run_id": str(parent_run_id) if parent_run_id else None,
            "run_type": run_type,
            "name": name,
            "status": "started",
            "started_at": utc_now(),
            "trace_id": str(root),
            "user_id": owner.user_id,
            "thread_id": metadata.get("thread_id"),
            "assignment_id": metadata.get("assignment_id"),
            "course": owner.course or metadata.get("course"),
            "prompt_type": metadata.get("prompt_type"),
            "task_type": metadata.get("task_type"),
            "prompt_version": metadata.get("prompt"),
            "prompt_digest": metadata.get("prompt_digest"),
            "left_out": metadata.get("left_out"),
        }

    def _settle_llm(
        self, run_id: UUID, status: Status, response: LLMResult | None, error: str | None
    ) -> None:
        self._leave(run_id)
        with self._lock:
            known = self._open.get(run_id)
        if known is None:
            return
        with self._guard_of(known.root):
            with self._lock:
                run = self._open.pop(run_id, None)
            if run is not None:
                self._write_end(run_id, run, status, response, error)

    def _write_end(
        self,
        run_id: UUID,
        run: OpenRun,
        status: Status,
        response: LLMResult | None,
        error: str | None,
    ) -> None:
        owner = self.owner_of(run.root)
        keeps_text = run.keeps_text and self._has_consent(owner)
        withdrawn = {"content": "no consent", "prompt": None} if run.keeps_text else {}
        message = message_of(response)
        text = storable(text_of(response, message) or "".join(run.pieces))
        usage = message.usage_metadata if message else None
        details = message.response_metadata if message else {}
        reason = finish_reason(message) if message else None
        if message is not None and status == "done" and reason is None:
            status, error = "incomplete", "no finish reason"
        elif run.first_token_ms is not None and status == "error":
            status = "incomplete"
        served = str(details.get("model_name") or run.model)
        price = self._prices.price(
            provider=run.provider,
            model=served,
            usage=usage,
            at=datetime.fromisoformat(run.started_at),
        )
        self._store.settle(
            str(run_id),
            {
                "status": status,
                "error": error,
                "ended_at": utc_now(),
                "latency_ms": _ms_since(run.started),
                "first_token_ms": run.first_token_ms,
                "model_served": served if message else None,
                "model_version": details.get("system_fingerprint"),
                "finish_reason": reason,
                "input_tokens": usage["input_tokens"] if usage else None,
                "output_tokens": usage["output_tokens"] if usage else None,
                "usage_details": dict(usage) if usage else None,
                "cost_nano_usd": price.nano_usd,
                "price_reference": price.reference,
                "response": self.redactor_of(run.root).redact_or_hash(text) if keeps_text else None,
                **({} if keeps_text else withdrawn),
            },
        )

    def _end_root(self, root: UUID, status: Status, error: str | None) -> None:
        """Settle a root and what is open below it; an end below needs no row of its own."""
        with self._lock:
            below = [run_id for run_id, owner in self._traces.items() if owner == root]
            for run_id in below:
                del self._traces[run_id]
            self._ended.update(dict.fromkeys([root, *below], root))
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        left = "cancelled" if status == "done" else status
        with self._guard_of(root):
            try:
                for run_id in below:
                    self._settle_llm(run_id, left, None, error)
                self._store.settle_open(str(root), status, error=error)
            finally:
                self._forget(root)

    def _guard_of(self, root: UUID) -> threading.RLock:
        """Return what ends the runs of a root one after the other.

        Else the second of two threads would close a row whose text the first is about to write.
        """
        return self._guards[hash(root) % len(self._guards)]

    def _forget(self, root: UUID) -> None:
        with self._lock:
            self._redactors.pop(root, None)
            if owner := self._owners.pop(root, None):
                self._past[root] = owner
            while len(self._past) > _REMEMBERED:
                self._past.popitem(last=False)


def _status_of(error: BaseException) -> Status:
    return "cancelled" if isinstance(error, _CANCELLED) else "error"


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
