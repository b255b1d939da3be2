"""The memory of threads: LangGraph's SQLite checkpointer in a file of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.database import make_private
from agent.errors import StorageError

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

_PRAGMAS = ("synchronous=FULL", "busy_timeout=5000", "secure_delete=ON")


@asynccontextmanager
async def open_threads(path: Path) -> "AsyncIterator[AsyncSqliteSaver]":
    """Open the checkpointer for as long as the context lasts.

    Raises:
        StorageError: the file cannot be used.
    """
    import aiosqlite
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncExitStack() as stack:
        try:
            await asyncio.to_thread(make_private, path)
            connection = await stack.enter_async_context(aiosqlite.connect(path))
            for pragma in _PRAGMAS:
                await connection.execute(f"PRAGMA {pragma}")
            serde = JsonPlusSerializer(allowed_msgpack_modules=[])
            saver = AsyncSqliteSaver(connection, serde=serde)
            await saver.setup()
        except (sqlite3.Error, OSError) as error:
            raise threads_unusable(path) from error
        yield saver


def threads_unusable(path: Path) -> StorageError:
    """Return the error for a file of threads that cannot be read or written."""
    return StorageError(
        f"The threads at {path} cannot be read or written. "
        "Check that the disk has space and that the file is writable."
    )
