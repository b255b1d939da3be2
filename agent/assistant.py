"""The composition root: settings -> services -> graph; ask and answer.

It is the only place that opens things. `AsyncAssistant` is the one implementation,
`Assistant` drives it from code without an event loop of its own.
"""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.utils.uuid import uuid7

from agent.answer import Answer, Usage, make_answer
from agent.database import make_private
from agent.errors import (
    AssistantError,
    DraftError,
    ModelError,
    StorageError,
    translate,
)
from agent.knowledge import Knowledge
from agent.models.catalogue import ModelCatalogue
from agent.prices import PriceList, to_usd
from agent.recording.handler import RecordingHandler
from agent.recording.untraced import Untraced
from agent.requests import Call, Request, check_prompt_type, check_text, check_uuid
from agent.settings import Settings, load_settings
from agent.stores import Stores
from graphs.build import build_graph
from graphs.context import Context, Services
from graphs.loop import run_blocking
from graphs.state import Assignment
from prompts import PromptBook
from retrieval.titles import title_of

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

_RECURSION_LIMIT = 15
_OPEN_STATES = ("pending", "in_progress")


class AsyncAssistant:
    """Answers requests; use it as an async context manager."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        models: ModelCatalogue | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self.settings = settings or load_settings()
        self._today = today
        self.models = models or ModelCatalogue(self.settings)
        self.knowledge = Knowledge(self.settings)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open_stores()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def _open_stores(self) -> None:
        self.stores = await asyncio.to_thread(Stores.open, self.settings)
        self._open.callback(self.stores.close)
        self._open.callback(self.knowledge.close)
        self._open.push_async_callback(self.models.aclose)
        consent = self.stores.consent
        self._handler = RecordingHandler(
            self.stores.runs,
            prices=PriceList(self.settings.openai_base_url, self.settings.price_provider),
            default_user=self.stores.user_id,
            has_consent=lambda user_id: consent.status(user_id).given,
        )
        services = Services(
            retrieve=self.knowledge.retrieve,
            choose_model=self.models.choose,
            prompts=PromptBook.open(),
            today=self._today,
        )
        saver = await self._open.enter_async_context(_open_threads(self.settings))
        self.graph = build_graph(services).with_config({"callbacks": [self._handler, Untraced()]})
        """The compiled graph without memory, for whoever wants to invoke it directly."""
        threads = build_graph(services, checkpointer=saver)
        self._threads = threads.with_config({"callbacks": [self._handler]})

    async def ask(
        self,
        message: str,
        *,
        prompt_type: str = "auto",
        thread_id: str | None = None,
        assignment_id: str | None = None,
        course: str = "",
        model: str = "",
    ) -> Answer:
        """Answer a request; its record is committed when this returns.

        Raises:
            InputError: the call is wrong.
            ModelError: the model failed.
            DraftError: the model's drafts failed their checks.
            StorageError: the answer could not be recorded.
        """
        run_id = uuid7()
        call = Call(
            message=message,
            prompt_type=prompt_type,
            thread_id=thread_id,
            assignment_id=assignment_id,
            course=course,
            model=model,
        )
        try:
            request = await asyncio.to_thread(self._admit, run_id, call)
            async with self._turn(request.thread_id):
                values = await self._run(request)
            return await asyncio.to_thread(self._finish, request, values)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(self._handler.cancel, run_id))
            raise
        except Exception as error:
            raise await asyncio.to_thread(self._explain, error, str(run_id)) from error

    async def warm(self) -> None:
        """Load what the first request would have to wait for: models, index and embeddings.

        Raises:
            IndexMissingError: nothing is indexed, so nothing could be searched.
        """

        def load_models() -> None:
            for task in ("planning", "chat"):
                self.models.choose(task)

        await asyncio.gather(self.knowledge.retrieve("warm up"), asyncio.to_thread(load_models))

    def _admit(self, run_id: uuid.UUID, call: Call) -> Request:
        check_text(call.message)
        assignment = None
        if call.assignment_id:
            assignment = self._known_assignment(check_uuid(call.assignment_id, "assignment_id"))
        thread_id = check_uuid(call.thread_id, "thread_id") if call.thread_id else str(uuid.uuid4())
        return Request(
            message=call.message,
            run_id=run_id,
            thread_id=thread_id,
            user_id=self.stores.user_id,
            has_consent=self.stores.consent.status(self.stores.user_id).given,
            context=Context(
                run_id=str(run_id),
                prompt_type=check_prompt_type(call.prompt_type),
                assignment=assignment,
                course=call.course,
                model=self.models.check(call.model),
            ),
        )

    def _known_assignment(self, assignment_id: str) -> Assignment:
        row = self.stores.assignments.get(self.stores.user_id, assignment_id)
        tasks = (row.plan or {}).get("tasks", [])
        current = next((task for task in tasks if task["status"] in _OPEN_STATES), None)
        return Assignment(
            assignment_id=assignment_id,
            title=row.title,
            brief=row.brief,
            current_task=current["description"] if current else "",
            tools=current["tool_requirements"] if current else [],
        )

    @asynccontextmanager
    async def _turn(self, thread_id: str) -> AsyncIterator[None]:
        """Let the requests of one thread wait for each other."""
        turn = self._turns.setdefault(thread_id, asyncio.Lock())
        async with turn:
            yield

    async def _run(self, request: Request) -> dict[str, Any]:
        from langsmith import tracing_context

        config: RunnableConfig = {
            "run_id": request.run_id,
            "run_name": "assistant",
            "recursion_limit": _RECURSION_LIMIT,
            "configurable": {"thread_id": request.thread_id},
            "metadata": {
                "thread_id": request.thread_id,
                "session_id": request.thread_id,
                "user_id": request.user_id,
                "assignment_id": request.assignment_id,
                "course": request.context.course or None,
            },
        }
        message = HumanMessage(request.message)
        traced = self.settings.langsmith_tracing and request.has_consent
        with tracing_context(enabled=traced):
            values = await self._threads.ainvoke(
                {"messages": [message]},
                config,
                context=request.context,
                durability="exit",
            )
        return dict(values)

    def _explain(self, error: Exception, run_id: str) -> AssistantError:
        """Return the error that leaves; the record tells whether a model was at fault."""
        if isinstance(error, sqlite3.Error):
            return _threads_unusable(str(self.settings.checkpoints_path), run_id=run_id)
        known = translate(error, run_id=run_id)
        if type(known) is not AssistantError:
            return known
        failed = [run for run in self.stores.runs.of_trace(run_id) if run.status == "error"]
        if not failed:
            return known
        return ModelError(
            f"The model {failed[-1].model_asked} failed ({failed[-1].error}). "
            "Try again, or choose another model.",
            run_id=run_id,
        )

    def _finish(self, request: Request, values: dict[str, Any]) -> Answer:
        run_id, kind = str(request.run_id), values["prompt_type"]
        assignment_id = request.assignment_id
        if kind == "planning":
            assignment_id = self._keep_plan(request, values)
        if values["findings"]:
            findings = values["findings"]
            kept = f"assignment {assignment_id}" if kind == "planning" else "its thread"
            raise DraftError(
                f"The model's {'plan' if kind == 'planning' else 'code'} failed its check "
                f"{values['attempts']} times: {' '.join(findings)} "
                f"The last draft is kept with {kept}; try again, or choose another model.",
                findings=findings,
                draft=values["draft_text"],
                run_id=run_id,
            )
        spent = self.stores.runs.spending(run_id)
        return make_answer(
            values,
            run_id=run_id,
            thread_id=request.thread_id,
            assignment_id=assignment_id,
            usage=Usage(input_tokens=spent.input_tokens, output_tokens=spent.output_tokens),
            cost_usd=to_usd(spent.cost_nano_usd),
            text_recorded=request.has_consent,
        )

    def _keep_plan(self, request: Request, values: dict[str, Any]) -> str:
        """Keep the plan, or its failed draft, with the assignment it belongs to."""
        assignment_id = request.assignment_id or self.stores.assignments.add(
            request.user_id, title=title_of(request.message), brief=request.message
        )
        if values["plan"] is not None:
            self.stores.assignments.keep_plan(assignment_id, values["plan"])
        else:
            self.stores.assignments.keep_draft(assignment_id, values["draft_text"])
        self.stores.runs.complete(str(request.run_id), assignment_id=assignment_id)
        return assignment_id


class Assistant:
    """The assistant for code without an event loop of its own, and for notebooks with one."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        models: ModelCatalogue | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._async = AsyncAssistant(settings, models=models, today=today)
        run_blocking(self._async.__aenter__())
        self.settings = self._async.settings
        self.stores = self._async.stores
        self.knowledge = self._async.knowledge
        self.models = self._async.models
        self.graph = self._async.graph
        """The compiled graph without memory, for whoever wants to invoke it directly."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close everything that was opened."""
        run_blocking(self._async.__aexit__(None, None, None))

    def ask(
        self,
        message: str,
        *,
        prompt_type: str = "auto",
        thread_id: str | None = None,
        assignment_id: str | None = None,
        course: str = "",
        model: str = "",
    ) -> Answer:
        """Answer a request; see `AsyncAssistant.ask`."""
        return run_blocking(
            self._async.ask(
                message,
                prompt_type=prompt_type,
                thread_id=thread_id,
                assignment_id=assignment_id,
                course=course,
                model=model,
            )
        )


@asynccontextmanager
async def _open_threads(settings: Settings) -> "AsyncIterator[AsyncSqliteSaver]":
    import aiosqlite
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    path = settings.checkpoints_path
    async with AsyncExitStack() as stack:
        try:
            await asyncio.to_thread(make_private, path)
            connection = await stack.enter_async_context(aiosqlite.connect(path))
            for pragma in ("synchronous=FULL", "busy_timeout=5000", "secure_delete=ON"):
                await connection.execute(f"PRAGMA {pragma}")
            serde = JsonPlusSerializer(allowed_msgpack_modules=[])
            saver = AsyncSqliteSaver(connection, serde=serde)
            await saver.setup()
        except (sqlite3.Error, OSError) as error:
            raise _threads_unusable(str(path)) from error
        yield saver


def _threads_unusable(place: str, *, run_id: str | None = None) -> StorageError:
    return StorageError(
        f"The threads at {place} cannot be read or written. "
        "Check that the disk has space and that the file is writable.",
        run_id=run_id,
    )
