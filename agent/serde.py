"""How the memory of a thread is written: packed, then sealed for its person, thread and place.

Only what is packed and sealed here is read again. LangGraph's own encrypting serializer is not
used: it takes what stands in clear, and rows of other threads (docs/decisions/0019).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from agent.errors import AssistantError, DamagedError, ErasedError
from agent.privacy.vault import Cell, Vault

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.event_hooks import SerdeEvent
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

SEALED = "+gcm1"
"""What the name of a packing ends with: how the packed bytes are sealed."""
_PACKINGS = ("msgpack", "null", "bytes", "bytearray")
"""What is ever written; the serializer below would read JSON with constructors too."""
_ERASED = "What this thread remembers was erased with its person. Begin a new thread."
_NO_MORE = "The person was erased, so nothing more is remembered for them."


class ThreadOwner(NamedTuple):
    """Whose memory the current run reads and writes."""

    user_id: str
    """The pseudonym."""
    thread_key: str
    """The thread, as the checkpoints know it."""


_OWNER: ContextVar[ThreadOwner] = ContextVar("thread_owner")


@contextmanager
def remembering(owner: ThreadOwner) -> Iterator[None]:
    """Let what runs inside read and write the memory of one thread."""
    token = _OWNER.set(owner)
    try:
        yield
    finally:
        _OWNER.reset(token)


def damaged() -> DamagedError:
    """Return the error for a memory that is not as it was written."""
    return DamagedError(
        "What this thread remembers is not as it was written: it was moved, cut or changed in "
        "threads.db. Begin a new thread, or restore the file from a backup."
    )


def owner_of(thread_key: str) -> ThreadOwner:
    """Return whose a thread is.

    Raises:
        AssistantError: nobody said so, and then nothing of it is read or written.
    """
    owner = _OWNER.get(None)
    if owner is None or owner.thread_key != thread_key:
        raise AssistantError(
            "Nothing of a thread is read or written as long as it is not said whose it is. "
            "Run the graph of threads inside agent.serde.remembering."
        )
    return owner


@dataclass(frozen=True, slots=True)
class SealingSerializer:
    """LangGraph's serializer protocol, with nothing in clear and nothing but plain values."""

    vault: Vault
    place: tuple[str, ...] = ("",)
    """Where a value stands: its thread, then what else names its row."""

    def at(self, *place: str) -> Self:
        """Return a serializer for one place; what it writes opens nowhere else."""
        return replace(self, place=place)

    def at_checkpoint(self, thread_key: str, space: str, id_: str, above: str | None) -> Self:
        """Return a serializer for one checkpoint, by its id and the one that it follows."""
        return self.at(thread_key, space, id_, above or "")

    def at_write(self, thread_key: str, space: str, id_: str, task_id: str, channel: str) -> Self:
        """Return a serializer for what one step wrote to a channel after a checkpoint."""
        return self.at(thread_key, space, id_, task_id, channel)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return how a value is packed and sealed, and the bytes.

        Raises:
            AssistantError: it is not known whose it is.
            ErasedError: the person was erased.
            StorageError: the person's key cannot be read.
        """
        packing, packed = _packer().dumps_typed(obj)
        try:
            return packing + SEALED, self.vault.seal_bytes(self._cell(packing), bytes(packed))
        except ErasedError:
            raise ErasedError(_NO_MORE) from None

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value that was written in this place.

        Raises:
            AssistantError: it is not known whose it is.
            DamagedError: it was not written here, was changed since, or is not plain.
            ErasedError: its person was erased.
            StorageError: the person's key cannot be read.
        """
        packing = _packing_of(data[0])
        cell = self._cell(packing)
        try:
            if not isinstance(data[1], bytes):
                raise damaged()
            packed = self.vault.open_bytes(cell, data[1])
        except DamagedError:
            raise damaged() from None
        except ErasedError:
            raise ErasedError(_ERASED) from None
        return _unpacked(packing, packed)

    def _cell(self, packing: str) -> Cell:
        owner = owner_of(self.place[0])
        return Cell("threads", packing, json.dumps(self.place), owner.user_id)


def _packing_of(name: object) -> str:
    """Return what a stored type says of the packing; anything but our own is refused."""
    packing = name.removesuffix(SEALED) if isinstance(name, str) else ""
    if packing not in _PACKINGS or name != packing + SEALED:
        raise damaged()
    return packing


_refusals: ContextVar[list[str] | None] = ContextVar("refusals", default=None)


def _unpacked(packing: str, packed: bytes) -> Any:
    """Unpack plain values; in place of others LangGraph would hand out what they are made of."""
    refused: list[str] = []
    token = _refusals.set(refused)
    try:
        value = _packer().loads_typed((packing, packed))
    except ValueError:
        raise damaged() from None
    finally:
        _refusals.reset(token)
    if refused:
        raise damaged()
    return value


@cache
def _packer() -> "JsonPlusSerializer":
    """Make the strict packer, and hear of every type that it does not rebuild."""
    from langgraph.checkpoint.serde.event_hooks import register_serde_event_listener
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    register_serde_event_listener(_note_refusal)
    return JsonPlusSerializer(allowed_msgpack_modules=[])


def _note_refusal(event: "SerdeEvent") -> None:
    refused = _refusals.get()
    if refused is not None:
        refused.append(event["kind"])
