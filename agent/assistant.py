"""The composition root: settings -> services -> graph; ask and answer.

It is the only place that opens things. `AsyncAssistant` is the one implementation;
`agent.blocking` drives it from code without an event loop of its own.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast
from weakref import WeakValueDictionary

import anyio
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.utils.uuid import uuid7

from agent.admission import Admission
from agent.answer import Answer
from agent.courses.book import CourseBook, find_folder
from agent.erasure import Eraser
from agent.errors import AssistantError, ClosedError, ErasedError, StorageError
from agent.events import STREAM_MODES, Event, EventReader, closing_events, opening_event
from agent.holdings import holdings_of
from agent.insight.feedback import LONGEST_COMMENT, Feedback, FeedbackLedger, Rating
from agent.insight.frame import as_frame
from agent.insight.interactions import note_reading
from agent.knowledge import Knowledge
from agent.models.catalogue import ModelCatalogue
from agent.outcome import conclude, explain
from agent.privacy.access import Caller, local_caller
from agent.privacy.owner import Owner
from agent.privacy.redaction import Placeholders
from agent.privacy.redactors import OUTBOUND, Redactors
from agent.recording.recorder import Recorder
from agent.requests import Call, Options, Request
from agent.serde import ThreadOwner, remembering
from agent.settings import Settings, load_settings
from agent.stores import Stores
from agent.thread_book import ThreadBook
from agent.threads import open_threads
from graphs.build import build_graph
from graphs.context import Services
from prompts import PromptBook

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream
    from pandas import DataFrame

_ROOT = "assistant"
_CLOSED = "The service is being stopped. Ask again in a moment."
_RECURSION_LIMIT = 15
_EVENTS_AHEAD = 64
"""Events that may wait for a slow reader before the graph waits too."""
_TRACES = 2.0
"""Seconds that somebody waits for LangSmith to delete; it goes on by itself."""
_PATIENCE = 5.0
"""Seconds that a cancelled request may take to settle its record."""


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
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._working: set[asyncio.Task[Any]] = set()
        """The tasks that run requests; held here, for the event loop alone may forget one."""
        self._is_closing = False
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
        sends = self.settings.langsmith_tracing
        self._feedback = FeedbackLedger(self.stores.database, sends=sends)
        self.local = local_caller(self.stores.user_id)
        folder = find_folder(self.settings.data_dir, self.settings.courses_dir)
        courses = await asyncio.to_thread(CourseBook.open, folder)
        self._redactors = Redactors(self.stores.people, self.stores.roster)
        self.admission = Admission(self.stores, courses, self.models, self._redactors)
        self.models.live_here()
        self._open.push_async_callback(self.models.aclose)
        self._recorder = await asyncio.to_thread(self._open_recorder)
        self._open.push_async_callback(asyncio.to_thread, self._recorder.close)
        self.handler = self._recorder.handler
        """Records whatever it is given to, as `config={"callbacks": [handler]}`."""
        committed = self._recorder.writer
        self.models.before_request = committed.wait_async
        self.knowledge = Knowledge(
            self.settings, callbacks=self._recorder.callbacks, before_request=committed.wait
        )
        self._open.callback(self.knowledge.close)
        prompts = await asyncio.to_thread(PromptBook.open)
        self._instructions = prompts.get("chat").instructions
        services = Services(
            retrieve=self.knowledge.retrieve,
            choose_model=self.models.choose,
            prompts=prompts,
            today=self._today,
        )
        self.thread_book = ThreadBook(self.stores.database, self.settings.checkpoints_path)
        """Whose the threads are."""
        saver = await self._open.enter_async_context(
            open_threads(self.settings.checkpoints_path, self.stores.vault)
        )
        self.graph = self._recorder.record(build_graph(services))
        """The compiled graph without memory, for whoever wants to invoke it directly."""
        threads = build_graph(services, checkpointer=saver)
        self._threads = threads.with_config({"callbacks": self._recorder.callbacks})
        self._open.push_async_callback(self._stop_working)

    @property
    def eraser(self) -> Eraser:
        """What exports and erases people here, and has this process forget them too."""
        forget = self._redactors.forget
        return Eraser(
            stores=self.stores,
            holdings=holdings_of(self.stores, self.settings, forget=forget, patience=_TRACES),
            settle=self._recorder.writer.wait,
        )

    def _open_recorder(self) -> Recorder:
        return Recorder(
            self.settings,
            self.stores.database,
            default_owner=Owner(self.stores.user_id),
            has_consent=self.admission.may_keep,
            make_redactor=self._redactors.of,
            opinions_of=self._feedback.to_send,
        )

    async def _stop_working(self) -> None:
        """Cancel the requests under way, and give their records time to be settled."""
        self._is_closing = True
        for work in (working := list(self._working)):
            work.cancel()
        if working:
            await asyncio.wait(working, timeout=_PATIENCE)

    async def ask(
        self, message: str, *, caller: Caller | None = None, **options: Unpack[Options]
    ) -> Answer:
        """Answer a request; its record is committed when this returns.

        Args:
            message: A question, a task or an assignment text.
            caller: Who asks; none: the local person.
            options: See `Options`.

        Raises:
            InputError: the call is wrong.
            ModelError: the model failed.
            DraftError: the model's drafts failed their checks.
            StorageError: the answer could not be recorded.
        """
        run_id, call = uuid7(), Call(message, **options)
        async with self._settling(run_id):
            request = await self._admit(run_id, caller, call)
            async with self._turn(request.memory_id):
                with self._acting_for(request):
                    values = await self._threads.ainvoke(**_run(request))
            return await self._conclude(request, dict(values))

    async def stream(
        self, message: str, *, caller: Caller | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[Event, None]:
        """Answer a request event by event; the last one is `done`, with the whole answer.

        The first event comes before anything is spent. Closing the generator cancels the
        request: the model call stops, and its record is settled as cancelled.

        Raises:
            AssistantError: as `ask` does, whenever it happens.
        """
        run_id, call = uuid7(), Call(message, **options)
        async with self._settling(run_id, is_reader=True):
            request = await self._admit(run_id, caller, call)
            yield opening_event(request)
            sender, events = anyio.create_memory_object_stream[Event](_EVENTS_AHEAD)
            work = asyncio.create_task(self._produce(request, sender))
            async with events, sender:
                try:
                    async for event in events:
                        yield event
                    await work
                finally:
                    work.cancel()
                    await asyncio.shield(asyncio.wait([work], timeout=_PATIENCE))

    async def _produce(self, request: Request, sender: "MemoryObjectSendStream[Event]") -> None:
        """Run the graph in a task of its own: cancelling it is what stops a model call."""
        reader = EventReader(self._placeholders_of(request), self._instructions)
        async with sender, self._settling(request.run_id):
            async with self._turn(request.memory_id):
                with self._acting_for(request):
                    parts = self._threads.astream(**_run(request), stream_mode=list(STREAM_MODES))
                    # At its end the thread is kept, so it has to end where it is known whose.
                    async with aclosing(cast("AsyncGenerator[Any, None]", parts)):
                        async for mode, part in parts:
                            for event in reader.read(mode, part):
                                await sender.send(event)
            answer = await self._conclude(request, reader.values)
            for event in closing_events(answer):
                await sender.send(event)

    async def warm(self) -> None:
        """Load what the first request would have to wait for: models, index and embeddings.

        Raises:
            IndexMissingError: nothing is indexed, so nothing could be searched.
        """

        def load_models() -> None:
            for task in ("planning", "chat"):
                self.models.choose(task)

        await asyncio.gather(self.knowledge.retrieve("warm up"), asyncio.to_thread(load_models))

    async def give_feedback(
        self,
        run_id: str,
        *,
        rating: Rating,
        score: int | None = None,
        comment: str = "",
        caller: Caller | None = None,
    ) -> Feedback:
        """Keep what a person thinks of an answer; saying it again replaces it.

        Args:
            run_id: The answer's.
            caller: Whose answer it is; none: the local person's.
            rating: `positive`, `neutral` or `negative`.
            score: 1 to 5.
            comment: Kept with consent only, as the returned value says.

        Raises:
            InputError: a value is wrong, or the run is not one of the person's.
        """

        def give() -> Feedback:
            person = (caller or self.local).user_id
            run = self.stores.runs.get(run_id)
            owner = Owner(person, (run and run.course) or "")
            keeps = self.admission.may_keep(owner)
            said = comment  # one that is too long is refused as it was typed
            if len(comment) <= LONGEST_COMMENT:
                said = self._redactors.of(owner).redact_or_hash(comment)[:LONGEST_COMMENT]
            return self._feedback.give(run_id, person, rating, score, said, keep_comment=keeps)

        return await asyncio.to_thread(give)

    async def flush(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - it ends by itself
        """Send what waits for LangSmith, for some seconds at most; return whether all is sent."""
        return await asyncio.to_thread(self._recorder.flush, timeout)

    async def runs(self, limit: int | None = None) -> "DataFrame":
        """Return the recorded model calls, newest first, as a pandas DataFrame.

        Raises:
            SettingsError: pandas is not installed.
        """

        def read() -> "DataFrame":
            runs = self.stores.runs.latest(limit)
            note_reading(self.stores, self.local, runs, door="python")
            return as_frame(runs)

        return await asyncio.to_thread(read)

    def _placeholders_of(self, request: Request) -> Placeholders | None:
        """Return what has to be put back into streamed words, where anything was replaced."""
        model = self.models.choose("chat", asked=request.context.model)
        replaced = request.outbound if model.replaces_personal_data else None
        return replaced.placeholders if replaced else None

    @contextmanager
    def _acting_for(self, request: Request) -> Iterator[None]:
        """Remember the person's thread, and show placeholders to models that are elsewhere."""
        token = OUTBOUND.set(request.outbound)
        try:
            with remembering(ThreadOwner(request.owner.user_id, request.memory_id)):
                yield
        finally:
            OUTBOUND.reset(token)

    async def _admit(self, run_id: uuid.UUID, caller: Caller | None, call: Call) -> Request:
        """Check a call, and open its record before anything is done."""

        def admit() -> Request:
            request = self.admission.admit(run_id, caller or self.local, call)
            self.thread_book.note(request.memory_id, request.owner, request.thread_id)
            try:
                self.admission.check_here(request.owner)
            except ErasedError:
                self.thread_book.erase(request.owner.user_id)
                raise
            return request

        request = await asyncio.to_thread(admit)
        self.handler.begin(run_id, name=_ROOT, owner=request.owner, metadata=request.metadata)
        await self._recorder.writer.wait_async()
        return request

    async def _conclude(self, request: Request, values: dict[str, Any]) -> Answer:
        """Make the answer, and settle its record before anybody sees it."""
        answer = await asyncio.to_thread(conclude, request, values, self.stores, self.handler)
        self.handler.end(request.run_id)
        await self._recorder.writer.wait_async()
        return answer

    @asynccontextmanager
    async def _settling(self, run_id: uuid.UUID, *, is_reader: bool = False) -> AsyncIterator[None]:
        """Close the record of a run that ends early, and let only our own errors leave.

        Closing the assistant cancels the task that runs in here, unless it only reads what
        another one makes.
        """
        if self._is_closing:
            raise ClosedError(_CLOSED)
        task = None if is_reader else asyncio.current_task()
        self._working |= {task} if task else set()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, its record is closed first
            await self._close_run(run_id, error)
            known = await asyncio.to_thread(self._explain, error, str(run_id))
            # A fault of ours keeps its cause; another's words may quote the prompt.
            raise known from (error if type(known) is AssistantError else None)
        except BaseException as stop:
            await asyncio.shield(self._close_run(run_id, stop))
            if self._is_closing and isinstance(stop, asyncio.CancelledError):
                raise ClosedError(_CLOSED, run_id=str(run_id)) from None
            raise
        finally:
            self._working -= {task}

    def _explain(self, error: Exception, run_id: str) -> AssistantError:
        known = explain(error, threads=self.settings.checkpoints_path)
        with suppress(StorageError):  # which is then what the error is about anyway
            known.run_id = run_id if self.stores.runs.get(run_id) else None
        return known

    async def _close_run(self, run_id: uuid.UUID, error: BaseException) -> None:
        with suppress(StorageError):  # the run has failed already, and says why
            self.handler.close(run_id, error)
            await self._recorder.writer.wait_async()

    @asynccontextmanager
    async def _turn(self, thread_id: str) -> AsyncIterator[None]:
        """Let the requests of one thread wait for each other."""
        turn = self._turns.setdefault(thread_id, asyncio.Lock())
        async with turn:
            yield


def _run(request: Request) -> dict[str, Any]:
    """Return what the graph of threads is called with."""
    config: RunnableConfig = {
        "run_id": request.run_id,
        "run_name": _ROOT,
        "recursion_limit": _RECURSION_LIMIT,
        "configurable": {"thread_id": request.memory_id},
        "metadata": request.metadata,
    }
    return {
        "input": {"messages": [HumanMessage(request.message)]},
        "config": config,
        "context": request.context,
        "durability": "exit",
    }
