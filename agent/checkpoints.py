"""LangGraph's checkpointer, with everything sealed on the way in and opened on the way out.

Rows lie where LangGraph's SQLite checkpointer puts them; thread, ids and the names of channels
stand in clear, because it looks for them. Sealing, opening and packing happen in threads, for a
person's key may have to be read from a database.
"""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from json import JSONDecodeError
from typing import Any, Self, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent.serde import SealingSerializer, damaged, owner_of

T = TypeVar("T")


class AsSealed:
    """The serializer of the checkpointer below: it hands through what is sealed already."""

    def dumps_typed(self, obj: dict[str, Any]) -> tuple[str, bytes]:
        """Return what was sealed."""
        sealed: tuple[str, bytes] = obj["sealed"]
        return sealed

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return what is still to be opened."""
        return data


class SealingSaver(BaseCheckpointSaver[str]):
    """Keeps the memory of threads sealed; for use on an event loop alone."""

    serde: SealingSerializer

    def __init__(self, stored: AsyncSqliteSaver, serde: SealingSerializer) -> None:
        super().__init__(serde=serde)
        self._stored = stored
        self._under_way: set[asyncio.Future[Any]] = set()

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Self:
        """Return this one: `compile` would put another serializer in place of ours."""
        return self

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Return a channel's next version, as the checkpointer below counts."""
        return self._stored.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a thread's newest checkpoint, or the one that is named.

        Raises:
            DamagedError: it is not as it was written.
            ErasedError: its person was erased.
        """
        owner_of(_thread_of(config))
        try:
            found = await self._stored.aget_tuple(config)
        except (JSONDecodeError, UnicodeDecodeError, TypeError):  # of the column of metadata
            raise damaged() from None
        return await asyncio.to_thread(self._opened, found) if found else None

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint, and its metadata in it; nothing of what the run was given with it.

        Raises:
            ErasedError: the person was erased.
        """
        above = config["configurable"].get("checkpoint_id")
        serde = self.serde.at_checkpoint(*_space_of(config), checkpoint["id"], above)
        whole = {"checkpoint": checkpoint, "metadata": metadata}
        sealed = {
            "id": checkpoint["id"],
            "sealed": await asyncio.to_thread(serde.dumps_typed, whole),
        }
        place = _place_of(config, above)
        return await self._whole(
            self._stored.aput(place, cast("Checkpoint", sealed), {}, new_versions)
        )

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a step wrote before its checkpoint was made.

        Raises:
            ErasedError: the person was erased.
        """
        checkpoint_id = str(config["configurable"]["checkpoint_id"])

        def seal() -> list[tuple[str, Any]]:
            place = (*_space_of(config), checkpoint_id, task_id)
            return [
                (channel, {"sealed": self.serde.at_write(*place, channel).dumps_typed(value)})
                for channel, value in writes
            ]

        sealed = await asyncio.to_thread(seal)
        place = _place_of(config, checkpoint_id)
        await self._whole(self._stored.aput_writes(place, sealed, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove everything of a thread."""
        await self._stored.adelete_thread(thread_id)

    async def settle(self) -> None:
        """Wait for transactions that nobody waits for any more; call it before closing."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _whole(self, putting: Coroutine[Any, Any, T]) -> T:
        """Wait for a transaction that goes on to its end also where nobody waits any more.

        One that is cut off before its commit stays open, and locks the file for everybody else.
        """
        transaction = asyncio.ensure_future(putting)
        self._under_way.add(transaction)
        transaction.add_done_callback(self._under_way.discard)
        return await asyncio.shield(transaction)

    def _opened(self, found: CheckpointTuple) -> CheckpointTuple:
        here = (*_space_of(found.config), found.config["configurable"]["checkpoint_id"])
        above = found.parent_config["configurable"]["checkpoint_id"] if found.parent_config else ""
        sealed = cast("tuple[str, bytes]", found.checkpoint)
        whole = self.serde.at_checkpoint(*here, above).loads_typed(sealed)
        writes = [
            (task_id, channel, self.serde.at_write(*here, task_id, channel).loads_typed(value))
            for task_id, channel, value in found.pending_writes or []
        ]
        return found._replace(
            checkpoint=whole["checkpoint"], metadata=whole["metadata"], pending_writes=writes
        )


def _thread_of(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


def _space_of(config: RunnableConfig) -> tuple[str, str]:
    return _thread_of(config), str(config["configurable"].get("checkpoint_ns", ""))


def _place_of(config: RunnableConfig, checkpoint_id: str | None) -> RunnableConfig:
    """Return what of a config is needed to find a row, since the rest would be stored in clear."""
    thread_key, space = _space_of(config)
    place = {"thread_id": thread_key, "checkpoint_ns": space}
    return {"configurable": place | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}
