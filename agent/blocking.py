"""The assistant for code that does not await: `AsyncAssistant` on the shared event loop."""

from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from agent.answer import Answer
from agent.assistant import AsyncAssistant
from agent.events import Event
from agent.insight.feedback import Feedback, Rating
from agent.models.catalogue import ModelCatalogue
from agent.privacy.access import Caller
from agent.requests import Options
from agent.settings import Settings
from graphs.loop import run_blocking

if TYPE_CHECKING:
    from pandas import DataFrame


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
        self.local = self._async.local
        self.admission = self._async.admission
        self.thread_book = self._async.thread_book
        self.knowledge = self._async.knowledge
        self.models = self._async.models
        self.handler = self._async.handler
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
        self, message: str, *, caller: Caller | None = None, **options: Unpack[Options]
    ) -> Answer:
        """Answer a request; see `AsyncAssistant.ask`."""
        return run_blocking(self._async.ask(message, caller=caller, **options))

    def stream(
        self, message: str, *, caller: Caller | None = None, **options: Unpack[Options]
    ) -> Iterator[Event]:
        """Answer a request event by event; see `AsyncAssistant.stream`."""
        events = self._async.stream(message, caller=caller, **options)
        try:
            while (event := run_blocking(_next(events))) is not None:
                yield event
        finally:
            run_blocking(events.aclose())

    def give_feedback(
        self,
        run_id: str,
        *,
        rating: Rating,
        score: int | None = None,
        comment: str = "",
        caller: Caller | None = None,
    ) -> Feedback:
        """Keep what a person thinks of an answer; see `AsyncAssistant.give_feedback`."""
        return run_blocking(
            self._async.give_feedback(
                run_id, rating=rating, score=score, comment=comment, caller=caller
            )
        )

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits for LangSmith; see `AsyncAssistant.flush`."""
        return run_blocking(self._async.flush(timeout))

    def runs(self, limit: int | None = None) -> "DataFrame":
        """Return the recorded model calls, newest first, as a pandas DataFrame."""
        return run_blocking(self._async.runs(limit))


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)
