"""The assistant behind the routes: opened beside the running server, and asked for by them."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from agent.settings import Settings
from routes.erasing import Erasing

if TYPE_CHECKING:
    from agent.assistant import AsyncAssistant

_ERASURES_EVERY = 900.0
"""Seconds after which erasures that wait for another service are gone on with."""


class Opening:
    """The assistant while it is being opened, once it is open, and why it cannot be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[AsyncAssistant] = asyncio.Future()
        self.erasing = Erasing()

    def start(self) -> None:
        """Begin to open, or begin again where it failed."""
        self._opened = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(self._opened))

    async def stop(self) -> None:
        """Close what is open."""
        self._closing.set()
        if self._life is not None:
            await self._life

    async def get(self) -> "AsyncAssistant":
        """Wait for the open assistant; after a failure, try once more."""
        if self._opened.done() and self._opened.exception():
            self.start()
        return await asyncio.shield(self._opened)

    @property
    def is_under_way(self) -> bool:
        """Whether it is still being opened."""
        return not self._opened.done()

    async def _live(self, opened: "asyncio.Future[AsyncAssistant]") -> None:
        try:
            module = await asyncio.to_thread(_load_assistant)
            async with module.AsyncAssistant(self._settings) as assistant:
                with suppress(Exception):  # `/ready` and the first request say what is wrong
                    await assistant.warm()
                with _frozen():
                    opened.set_result(assistant)
                    async with _rounds(assistant, self.erasing):
                        await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
            if not opened.done():
                opened.set_exception(error)
                opened.exception()  # else asyncio prints it where nobody asks before the end


@asynccontextmanager
async def _rounds(assistant: "AsyncAssistant", erasing: Erasing) -> AsyncIterator[None]:
    """Do what nobody asks for, beside the requests: retention once a day, the rest more often."""
    from agent.retention import Retainer, Rounds

    retainer = Retainer(
        stores=assistant.stores,
        courses=assistant.admission.courses,
        threads=assistant.thread_book,
    )
    rounds = (
        Rounds(lambda goes_on: retainer.retain(goes_on=goes_on)),
        Rounds(lambda _: erasing.resume(assistant.eraser), every=_ERASURES_EVERY),
    )
    for each in rounds:
        each.start()
    try:
        yield
    finally:
        await asyncio.to_thread(erasing.stop)
        for each in rounds:
            await asyncio.to_thread(each.stop)


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep what is loaded by now from being walked by each full garbage collection.

    Such a pass over all modules holds the event loop up for a tenth of a second.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _load_assistant() -> Any:
    import agent.assistant

    return agent.assistant


async def _assistant(request: Request) -> "AsyncAssistant":
    opening: Opening = request.app.state.opening
    return await opening.get()


def _erasing(request: Request) -> Erasing:
    opening: Opening = request.app.state.opening
    return opening.erasing


OpenErasing = Annotated[Erasing, Depends(_erasing)]
OpenAssistant = Annotated["AsyncAssistant", Depends(_assistant)]
