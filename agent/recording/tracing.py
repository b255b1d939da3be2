"""Tracing to LangSmith: every run of a request with its cost, and no text without consent."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langchain_core.exceptions import TracerException
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.schemas import Run

from agent.prices import PriceList, to_usd
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.trace_client import PRICE_REFERENCE, TraceClient
from agent.settings import Settings

_REMEMBERED = 10_000
"""Runs; more than can start and end while one event waits for a thread."""
_DISABLED = "__disabled"
"""LangChain's mark of a run that is not sent."""


class Tracer(LangChainTracer):
    """LangChain's tracer with cost and consent; bound to a graph, it serves whoever invokes it.

    `has_consent` may wait for a database, so events of an event loop are taken in threads;
    LangChain waits for each of them, and a parent is known before its children start.
    """

    run_inline = False
    client: TraceClient

    def __init__(
        self,
        *,
        client: TraceClient,
        project_name: str,
        prices: PriceList,
        owner_of: Callable[[UUID], Owner],
        has_consent: Callable[[Owner], bool],
    ) -> None:
        super().__init__(client=client, project_name=project_name)
        self._prices = prices
        self._owner_of = owner_of
        self._has_consent = has_consent
        self._lock = threading.Lock()
        """Guards that a start and the end of its root, in two threads, see each other."""
        self._ended: dict[UUID, None] = {}
        """The runs that ended with their roots lately; what starts below them is too late."""

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        prices: PriceList,
        owner_of: Callable[[UUID], Owner],
        has_consent: Callable[[Owner], bool],
        redactor_of: Callable[[UUID], Redactor],
    ) -> "Tracer":
        """Make a tracer and its client from the settings; `close` it.

        Args:
            settings: Where LangSmith is, and the keys.
            prices: What a call costs.
            owner_of: Whose a root run is. A run's own metadata is not asked, because it may
                come from a client.
            has_consent: Whether a person's text may leave.
            redactor_of: What replaces personal data in a root's texts.

        """
        keys = (settings.langsmith_api_key, settings.openai_api_key)
        langsmith_key, openai_key = (key.get_secret_value() if key else "" for key in keys)
        return cls(
            client=TraceClient(
                api_url=settings.langsmith_endpoint,
                api_key=langsmith_key,
                secrets=[openai_key],
                redact=lambda root, text: redactor_of(root).redact_or_hash(text),
            ),
            project_name=settings.langsmith_project,
            prices=prices,
            owner_of=owner_of,
            has_consent=has_consent,
        )

    def close(self) -> None:
        """Send what is on its way; blocks for a few seconds when LangSmith cannot be reached."""
        self.client.close()

    def cancel(self, run_id: UUID) -> None:
        """End a root that was cancelled before LangChain would say so; ended ones stay as they are.

        A start that is still on its way to this root comes to nothing.
        """
        with suppress(TracerException, KeyError):
            self.on_chain_error(asyncio.CancelledError(), run_id=run_id)
        with self._lock:
            self._remember([run_id])

    def copy_with_metadata_defaults(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        tags: list[str] | None = None,
    ) -> LangChainTracer:
        """Return a tracer with these defaults that shares everything else with this one."""
        stock = LangChainTracer(client=self.client, tags=self.tags, metadata=self.tracing_metadata)
        merged = stock.copy_with_metadata_defaults(metadata=metadata, tags=tags)
        made = object.__new__(type(self))
        vars(made).update(
            {**vars(self), "tags": merged.tags, "tracing_metadata": merged.tracing_metadata}
        )
        return made

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> Any:
        """Note a token, unless its run was cancelled meanwhile."""
        if str(run_id) in self.run_map:
            return super().on_llm_new_token(token, run_id=run_id, **kwargs)
        return None

    def _start_trace(self, run: Run) -> None:
        with self._lock:
            if run.id in self._ended or run.parent_run_id in self._ended:
                run.extra[_DISABLED] = True
                return
            super()._start_trace(run)
            root = self.client.root_of(run.dotted_order)
            if root is None:
                self.client.consents[run.id] = False
        owner = self._owner_of(root or run.id)
        run.extra["metadata"] = {**run.metadata, "user_id": owner.user_id}
        if root is None and not run.extra.get(_DISABLED) and self._may_send(owner):
            with self._lock:
                if run.id in self.client.consents:
                    self.client.consents[run.id] = True

    def _may_send(self, owner: Owner) -> bool:
        try:
            return self._has_consent(owner)
        except Exception:  # noqa: BLE001 - whatever failed: no text leaves, and the request goes on
            return False

    def _end_trace(self, run: Run) -> None:
        is_root = run.id in self.client.consents
        if is_root:
            for left in self._forget_below(run):
                left.error = self._get_stacktrace(asyncio.CancelledError())
                left.end_time = datetime.now(UTC)
                self._add_cost(left)
                super()._update_run_single(left)
        super()._end_trace(run)
        # The run above a root is somebody else's, and LangChain forgets it by half.
        if is_root and (above := run.parent_run_id) and str(above) not in self.run_map:
            self.order_map.pop(above, None)

    def _forget_below(self, root: Run) -> list[Run]:
        """Forget all runs of a root that ends, and return those that are still open."""
        inside = f"{root.dotted_order}."
        with self._lock:
            # LangChain adds to the map without the lock.
            orders = self.order_map.copy()
            below = [run_id for run_id, (_, order) in orders.items() if order.startswith(inside)]
            self._remember([root.id, *below])
            left = []
            for run_id in (root.id, *below):
                self.order_map.pop(run_id, None)
                self.run_has_token_event_map.pop(str(run_id), None)
                is_ours = self._external_run_ids.pop(str(run_id), None) is None
                run = self.run_map.pop(str(run_id), None) if run_id != root.id else None
                left += [run] if run and is_ours else []
        return left

    def _remember(self, ended: Iterable[UUID]) -> None:
        self._ended.update(dict.fromkeys(ended))
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _persist_run_single(self, run: Run) -> None:
        with self._settling(run):
            super()._persist_run_single(run)

    def _update_run_single(self, run: Run) -> None:  # type: ignore[override]  # ours needs `self`
        root = self.client.root_of(run.dotted_order)
        if root is not None and (run.run_type == "llm" or run.id == root):
            may_still = self.client.consents[root] and self._may_send(self._owner_of(root))
            self.client.consents[root] = may_still
        with self._settling(run):
            super()._update_run_single(run)

    @contextmanager
    def _settling(self, run: Run) -> Iterator[None]:
        """Forget whose a root was when its end is sent; a few runs are sent at their end alone."""
        try:
            yield
        finally:
            if run.end_time is not None:
                with self._lock:
                    self.client.consents.pop(run.id, None)

    def _on_llm_end(self, run: Run) -> None:
        self._add_cost(run)
        super()._on_llm_end(run)

    def _on_llm_error(self, run: Run) -> None:
        self._add_cost(run)
        super()._on_llm_error(run)

    def _add_cost(self, run: Run) -> None:
        """Put the cost into the usage of the reply, from where LangChain copies it on."""
        if run.run_type != "llm":
            return
        replies = _replies_of(run)
        costs, reference = self._price(run, replies)
        if costs:
            replies[0]["usage_metadata"] = {**replies[0]["usage_metadata"], **costs}
        run.extra[PRICE_REFERENCE] = reference
        # The dict may be the one that all runs of the trace inherit.
        run.extra["metadata"] = {**run.metadata, PRICE_REFERENCE: reference}

    def _price(self, run: Run, replies: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
        if len(replies) > 1:  # LangChain adds up their usage, and cannot add dollars
            return {}, "unknown: several replies to one call"
        reply = replies[0] if replies else {}
        usage = reply.get("usage_metadata") or {}
        if "total_cost" in usage:  # LangChain writes 0 where a reply came from its cache
            return {}, "stated in the reply"
        served = (reply.get("response_metadata") or {}).get("model_name")
        price = self._prices.price(
            provider=str(run.metadata.get("ls_provider") or ""),
            model=str(served or run.metadata.get("ls_model_name") or ""),
            usage=usage,
            at=run.start_time,
        )
        costs = {
            "input_cost": to_usd(price.input_nano_usd),
            "output_cost": to_usd(price.output_nano_usd),
            "total_cost": to_usd(price.nano_usd),
        }
        known = {name: cost for name, cost in costs.items() if cost is not None and usage}
        return known, price.reference

    def _persist_run(self, run: Run) -> None:
        """Keep no copy of the last request in memory, as LangChain's tracer does."""

    @classmethod
    def _get_stacktrace(cls, error: BaseException) -> str:
        """Begin with the kind of the error, which may be sent without the rest."""
        return f"{type(error).__name__}\n{super()._get_stacktrace(error)}"


def _replies_of(run: Run) -> list[dict[str, Any]]:
    batches = (run.outputs or {}).get("generations") or []
    messages = [reply["message"] for replies in batches for reply in replies if "message" in reply]
    return [message["kwargs"] for message in messages if "kwargs" in message]
