"""The one callback handler: it turns LangChain's events into changes of the record.

It only enqueues, so it may run inline on an event loop; whoever acknowledges something waits for
the writer first. What is written down is decided in `rows`, and what a call cost by the prices
that it is given.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from agent.database import utc_now
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.recording.open_run import OpenRun, Place, Root, Spending, stamp, status_of, traced_above
from agent.recording.replies import Reply, prompt_texts, reply_texts, text_of_blocks
from agent.recording.rows import Beginning, Ending, RowMaker, Texts, input_texts, step_texts
from agent.recording.run_store import Status
from agent.recording.shapes import WORD
from agent.recording.writer import Writer

_PARAMETERS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"),
    "response_format",
)
_STEPS = ("prompt", "parser")
"""What LangChain calls some steps of a chain, which LangSmith shows as what they are."""
_REMEMBERED = 4_096
"""Runs that ended lately; a start that was on its way meanwhile still finds its request."""
_LEFT = "CancelledError"
"""Why a run ends of whose end nobody tells, because its request has ended."""


class RecordingHandler(BaseCallbackHandler):
    """Records every run below whatever it is given to, whoever invokes it."""

    raise_error = True
    run_inline = True

    def __init__(
        self,
        writer: Writer,
        rows: RowMaker,
        *,
        prices: PriceList,
        default_owner: Owner,
        adopts: bool = False,
    ) -> None:
        """Make the handler.

        Args:
            writer: What commits.
            rows: What decides on the text.
            prices: What a call costs.
            default_owner: Whose a run is that nobody `begin`s.
            adopts: Whether a run inside a LangSmith trace hangs below it.

        """
        self._writer = writer
        self._rows = rows
        self._prices = prices
        self._default_owner = default_owner
        self._adopts = adopts
        self._lock = threading.Lock()
        """Events of one request come from several threads."""
        self._open: dict[UUID, OpenRun] = {}
        self._past: OrderedDict[UUID, OpenRun] = OrderedDict()

    def begin(self, run_id: UUID, *, name: str, owner: Owner, metadata: Mapping[str, Any]) -> None:
        """Open the row of a root that is about to run for a person, before anything is done.

        It is the only way to name a person: what stands in a run's metadata may come from a
        client, who could file it under another's name or profit from another's consent.
        """
        root = Root.make(run_id, owner, adopts=self._adopts)
        root.is_ours = True
        with self._lock:
            self._add(root, run_id, root.place, "chain", Beginning(name, None, metadata))

    def complete(self, run_id: UUID, **late: str | None) -> None:
        """Write what became known late on all runs of an open root that lack it."""
        self._fill(run_id, late)

    def end(self, run_id: UUID) -> None:
        """Settle a root that `begin` opened, once its answer is made."""
        with self._lock:
            if run := self._open.get(run_id):
                self._close(run.root, "done", None)

    def spent(self, run_id: UUID) -> Spending:
        """Return what an open root has used so far."""
        run = self._open.get(run_id)
        return run.root.spent if run else Spending()

    def close(self, run_id: UUID, error: BaseException) -> None:
        """Close a root that ended before LangChain would say so; a settled one stays."""
        with self._lock:
            if run := self._open.get(run_id):
                self._close(run.root, status_of(error), type(error).__name__)

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        run_type: str | None = None,
        **about: Any,
    ) -> None:
        """Open the row of a graph, a node or another step."""
        known = self._open.get(run_id)
        if known is not None:  # `begin` was there first, and knew no inputs
            known.note_inputs(inputs)
            return
        kind = run_type if run_type in _STEPS else "chain"
        texts = partial(input_texts, inputs)
        begun = Beginning.of(kind, serialized, parent_run_id, about, texts)
        self._start(kind, run_id, parent_run_id, begun)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = None, **_: Any) -> None:
        """Settle a step; a root that `begin` opened is settled by `end`."""
        self._end_step(run_id, outputs, inputs)

    def on_chain_error(
        self, error: BaseException, *, run_id: UUID, inputs: Any = None, **_: Any
    ) -> None:
        """Settle a step that failed, or that stopped for a person to decide."""
        self._fail_step(run_id, error, inputs)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **about: Any,
    ) -> None:
        """Open the row of a tool."""
        given = {"input": input_str} if inputs is None else inputs
        texts = partial(input_texts, given)
        begun = Beginning.of("tool", serialized, parent_run_id, about, texts)
        self._start("tool", run_id, parent_run_id, begun)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """Settle a tool."""
        self._end_step(run_id, {"output": output})

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Settle a tool that failed."""
        self._fail_step(run_id, error)

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **about: Any,
    ) -> None:
        """Open the row of a retriever."""
        texts = partial(input_texts, {"query": query})
        begun = Beginning.of("retriever", serialized, parent_run_id, about, texts)
        self._start("retriever", run_id, parent_run_id, begun)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **_: Any) -> None:
        """Settle a retriever with the documents it found, and their scores."""
        self._end_step(run_id, {"documents": list(documents)})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Settle a retriever that failed."""
        self._fail_step(run_id, error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **about: Any,
    ) -> None:
        """Open a model call's row, before the provider is asked."""
        parts = [(message.type, message) for message in (messages[0] if messages else [])]
        texts = partial(prompt_texts, parts)
        self._start_model("chat", serialized, run_id, parent_run_id, about, texts)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **about: Any,
    ) -> None:
        """Open the row of a text model's call, or of an embedding."""
        texts = partial(prompt_texts, [("", prompt) for prompt in prompts])
        self._start_model("llm", serialized, run_id, parent_run_id, about, texts)

    def on_llm_new_token(
        self, token: str | list[str | dict[str, Any]], *, run_id: UUID, **_: Any
    ) -> None:
        """Note when the first token came, and keep the text in case the stream is cut."""
        if (run := self._open.get(run_id)) is None:
            return
        if run.first_token_ms is None:
            run.first_token_ms = run.latency_ms
        run.pieces.append(token if isinstance(token, str) else text_of_blocks(token))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Settle a model call with its tokens and its cost."""
        with self._ending(run_id):
            self._settle_model(run_id, "done", response, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Settle a model call that failed or was stopped, with the text that had come."""
        with self._ending(run_id):
            self._settle_model(
                run_id, status_of(error), kwargs.get("response"), type(error).__name__
            )

    def _start(
        self, run_type: str, run_id: UUID, parent_run_id: UUID | None, begun: Beginning
    ) -> OpenRun | None:
        with self._lock:
            if run_id in self._open:
                return None
            above, place = self._run_above(parent_run_id)
            if above is None:
                root = Root.make(run_id, self._default_owner, adopts=self._adopts)
                return self._add(root, run_id, root.place, run_type, begun)
            if above.run_id != parent_run_id:
                begun = replace(begun, parent_run_id=str(above.run_id))
            return self._add(above.root, run_id, place, run_type, begun)

    def _run_above(self, parent_run_id: UUID | None) -> tuple[OpenRun | None, Place]:
        """Return the nearest recorded run above, and where a new run hangs."""
        if parent_run_id is None:
            return None, Place()
        if run := self._known(parent_run_id):
            return run, run.place_below
        place, ids = traced_above(parent_run_id)
        run = next(filter(None, map(self._known, ids)), None)
        return run, run.place_below if run and not self._adopts else place

    def _known(self, run_id: UUID) -> OpenRun | None:
        return self._open.get(run_id) or self._past.get(run_id)

    def _add(
        self, root: Root, run_id: UUID, place: Place, run_type: str, begun: Beginning
    ) -> OpenRun:
        now = utc_now()
        order = f"{place.above}.{stamp(now)}{run_id}".lstrip(".")
        run = OpenRun(run_id, root, run_type, now, order, place.metadata, root.has_ended)
        self._open[run_id] = root.open[run_id] = run
        self._writer.submit(partial(self._rows.start, run=run, beginning=begun))
        if run.is_late:
            self._settle(run, Ending("cancelled", _LEFT))
        return run

    def _start_model(
        self,
        kind: str,
        serialized: Mapping[str, Any] | None,
        run_id: UUID,
        parent_run_id: UUID | None,
        about: Mapping[str, Any],
        texts: Texts,
    ) -> None:
        metadata = {"ls_model_type": kind, **(about.get("metadata") or {})}
        provider = str(metadata.get("ls_provider") or "")
        model = str(metadata.get("ls_model_name") or "")
        parameters = about.get("invocation_params") or {}
        values = {
            "provider": provider or None,
            "model_asked": metadata.get("model_asked") or ":".join(filter(None, (provider, model))),
            "parameters": {
                name: value for name in _PARAMETERS if (value := parameters.get(name)) is not None
            },
        }
        run_type = "embedding" if metadata["ls_model_type"] == "embedding" else "llm"
        told = {**about, "metadata": metadata}
        begun = Beginning.of(run_type, serialized, parent_run_id, told, texts, values)
        run = self._start(run_type, run_id, parent_run_id, begun)
        if run is not None:
            run.provider, run.model = provider, model

    @contextmanager
    def _ending(self, run_id: UUID) -> Iterator[OpenRun | None]:
        """Hold the lock while a run ends; one without a graph waits for its own record.

        On an event loop nobody may wait here; there it is on the disk a moment later.
        """
        with self._lock:
            run = self._open.get(run_id)
            yield run
        if run and run.is_root and not run.root.is_ours and not _is_on_loop():
            self._writer.wait()

    def _settle_model(
        self, run_id: UUID, status: Status, response: LLMResult | None, error: str | None
    ) -> None:
        run = self._open.get(run_id)
        if run is None:
            return
        reply = Reply.of(response, run)
        price = self._prices.price(
            provider=run.provider,
            model=reply.model,
            usage=reply.usage,
            at=datetime.fromisoformat(run.started_at),
        )
        values = reply.values(price)
        run.root.spent = run.root.spent.plus(reply.spending(values, run.run_type))
        status, error = reply.settled(status, error)
        self._settle(run, Ending(status, error, values=values, texts=partial(reply_texts, reply)))

    def _end_step(self, run_id: UUID, outputs: Any, inputs: Any = None) -> None:
        with self._ending(run_id) as run:
            if run is None:
                return
            run.outputs = (outputs,)
            run.note_inputs(inputs)
            if run.is_root:
                kind = outputs.get("prompt_type") if isinstance(outputs, Mapping) else None
                if isinstance(kind, str) and WORD.fullmatch(kind):
                    self._fill(run.run_id, {"prompt_type": kind})
                if not run.root.is_ours:
                    self._close(run.root, "done", None)
            else:
                self._settle(run, Ending("done", texts=partial(step_texts, run)))

    def _fail_step(self, run_id: UUID, error: BaseException, inputs: Any = None) -> None:
        with self._ending(run_id) as run:
            if run is None:
                return
            run.note_inputs(inputs)
            status, kind = status_of(error), type(error).__name__
            if isinstance(error, GraphBubbleUp):
                is_paused = isinstance(error, GraphInterrupt)
                run.root.is_paused |= is_paused
                self._settle(run, Ending("done", values={"paused": is_paused}))
            elif run.is_root:
                self._close(run.root, status, kind)
            else:
                self._settle(run, Ending(status, kind, texts=partial(step_texts, run)))

    def _fill(self, root: UUID, late: Mapping[str, Any]) -> None:
        known = {name: value for name, value in late.items() if value}
        if known:
            self._writer.submit(lambda changes: changes.fill(str(root), known))

    def _close(self, root: Root, status: Status, error: str | None) -> None:
        """Settle a root and what is open below it; an end below needs no event of its own."""
        left: Status = "cancelled" if status == "done" else status
        why = error or _LEFT
        for run in reversed(list(root.open.values())):
            if run.run_type in ("llm", "embedding"):
                self._settle_model(run.run_id, left, None, why)
            elif not run.is_root:
                self._settle(run, Ending(left, why))
        root.has_ended = True
        if request := root.open.get(root.run_id):
            values = {"paused": True} if root.is_paused and status == "done" else {}
            texts = partial(step_texts, request)
            self._settle(request, Ending(status, error, values=values, texts=texts))

    def _settle(self, run: OpenRun, ending: Ending) -> None:
        self._open.pop(run.run_id, None)
        run.root.open.pop(run.run_id, None)
        self._past[run.run_id] = run
        while len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)
        change = partial(self._rows.end, run=run, latency_ms=run.latency_ms, ending=ending)
        self._writer.submit(change)


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
