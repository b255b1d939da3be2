"""The graph for whoever invokes it directly: what it returns has been recorded before."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, cast

from agent.recording.writer import Writer
from graphs.build import AssistantGraph
from graphs.drawing import DrawnGraph


class RecordedGraph(DrawnGraph):
    """A compiled graph whose runs are on the disk when it returns, however it is run."""

    def __init__(self, *, writer: Writer, **parts: Any) -> None:
        super().__init__(**parts)
        self.writer = writer

    def stream(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Run the graph part by part; `invoke` uses it too.

        Raises:
            StorageError: the runs could not be recorded.
        """
        try:
            yield from super().stream(*args, **options)
        finally:
            self.writer.wait()

    async def astream(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """Run the graph as `stream` does; `ainvoke` uses it too."""
        try:
            parts = cast("AsyncGenerator[Any]", super().astream(*args, **options))
            async with aclosing(parts):
                async for part in parts:
                    yield part
        finally:
            await self.writer.wait_async()


def record(graph: AssistantGraph, writer: Writer) -> RecordedGraph:
    """Return the same graph, which waits for its record."""
    parts = {name: part for name, part in vars(graph).items() if name != "__orig_class__"}
    return RecordedGraph(writer=writer, **parts)
