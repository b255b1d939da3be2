"""One async body with two faces, so that `invoke` and `ainvoke` both reach it.

A LangGraph node of async functions alone refuses `invoke`, which notebooks use.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime

from graphs.context import Context
from graphs.loop import run_blocking
from graphs.state import State, StateUpdate

Body = Callable[[State, Context], Awaitable[StateUpdate]]


class Node(Runnable[State, StateUpdate]):
    """A node of the graph around one async function."""

    def __init__(self, name: str, body: Body) -> None:
        self.name = name
        self._body = body

    async def ainvoke(
        self,
        input: State,  # noqa: A002 - the name is LangChain's
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> StateUpdate:
        """Run the body on the caller's event loop."""
        runtime = get_runtime(Context)
        return await self._body(input, runtime.context or Context())

    def invoke(
        self,
        input: State,  # noqa: A002 - the name is LangChain's
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> StateUpdate:
        """Run the body on the shared event loop and wait for it."""
        return run_blocking(self.ainvoke(input, config))
