"""The memory of threads: sealed at rest, and opened for its person, thread and place alone."""

import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, nullcontext
from pathlib import Path
from typing import Annotated, Any, cast

import aiosqlite
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.checkpoints import SealingSaver
from agent.errors import AssistantError, DamagedError, ErasedError
from agent.privacy.kek import Keks
from agent.privacy.keyring import KeyRing
from agent.privacy.vault import Vault
from agent.serde import SealingSerializer, ThreadOwner, remembering
from agent.settings import Settings
from agent.threads import open_threads
from tests.agent.test_assistant import NOTE, OneModel

ADA, BOB = ThreadOwner("ada", "thread-of-ada"), ThreadOwner("bob", "thread-of-bob")
ADAS_OTHER = ThreadOwner("ada", "another-of-ada")
ASKED, ANSWERED, PINNED = "quagmarmalade", "wimbledoodle", "frobscottle"
PERSON, SECRET = "person-in-metadata", "key-in-configurable"


class Talk(TypedDict, total=False):
    """What the small graph of these tests remembers."""

    messages: Annotated[list[AnyMessage], add_messages]
    note: str


def talk(state: Talk) -> Talk:
    """Answer whoever says something."""
    return {"messages": [AIMessage(ANSWERED)], "note": PINNED} if state["messages"] else {}


def fail(state: Talk) -> Talk:
    """Break off when asked to, beside the step that has answered."""
    if "break" in state["messages"][0].text:
        raise ZeroDivisionError
    return {}


def graph_on(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile a graph of two nodes side by side."""
    builder = StateGraph(Talk)
    builder.add_node("talk", talk)
    builder.add_node("fail", fail)
    builder.set_entry_point("talk")
    builder.set_entry_point("fail")
    return builder.compile(checkpointer=saver)


def config_of(owner: ThreadOwner) -> RunnableConfig:
    """Return a config with what must not be stored."""
    return {
        "configurable": {"thread_id": owner.thread_key, "api_key": SECRET},
        "metadata": {"user_id": PERSON},
    }


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A vault that knows two people."""
    ring = KeyRing.open(f"sqlite:///{tmp_path / 'keys.db'}", Keks(tmp_path / "kek.key", ""))
    for owner in (ADA, BOB):
        ring.admit(owner.user_id)
    yield Vault(ring)
    ring.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the threads lie."""
    return tmp_path / "threads.db"


async def say(path: Path, vault: Vault, owner: ThreadOwner, words: str = ASKED) -> list[str]:
    """Say something on a thread, and return what it remembers then."""
    async with open_threads(path, vault) as saver:
        with remembering(owner):
            values = await graph_on(saver).ainvoke(
                {"messages": [HumanMessage(words)]}, config_of(owner), durability="sync"
            )
    return [message.text for message in values["messages"]]


async def recall(path: Path, vault: Vault, owner: ThreadOwner) -> dict[str, Any]:
    """Return what a thread remembers."""
    async with open_threads(path, vault) as saver:
        with remembering(owner):
            state = await graph_on(saver).aget_state(config_of(owner))
    return cast("dict[str, Any]", state.values)


def change(path: Path, *statements: str, **values: object) -> int:
    """Change the file behind everybody's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return sum(connection.execute(one, values).rowcount for one in statements)


def cells(path: Path) -> list[tuple[Any, ...]]:
    """Return every row of the file."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT * FROM checkpoints").fetchall()
        return found + connection.execute("SELECT * FROM writes").fetchall()


def bytes_of(path: Path) -> bytes:
    """Return the bytes of the file and of its log."""
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


def spellings(marker: str) -> list[bytes]:
    """Return how a word may stand in a file that was meant to hide it."""
    plain = marker.encode()
    inner = base64.b64encode(b"xx" + plain)[4:-4]
    return [plain, plain[::-1], plain.hex().encode(), inner, marker.encode("utf-16-le")]


@pytest.mark.anyio
async def test_thread_goes_on_when_reopened(path: Path, vault: Vault) -> None:
    """What was said before is there, for its person."""
    await say(path, vault, ADA)
    assert await say(path, vault, ADA, "And then?") == [ASKED, ANSWERED, "And then?", ANSWERED]
    assert (await recall(path, vault, ADA))["note"] == PINNED


@asynccontextmanager
async def plain_saver(path: Path, _: Vault) -> AsyncIterator[AsyncSqliteSaver]:
    """Open LangGraph's own checkpointer, as the control."""
    async with aiosqlite.connect(path) as connection:
        yield AsyncSqliteSaver(connection)


@pytest.mark.anyio
async def test_nothing_stands_in_clear_when_kept(
    path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither words nor person nor key, in state, writes or metadata; the control finds all."""
    markers = (ASKED, ANSWERED, PINNED, PERSON, SECRET)
    await say(path, vault, ADA)
    with pytest.raises(ZeroDivisionError):
        await say(path, vault, ADAS_OTHER, f"{ASKED} break")
    stored = bytes_of(path)
    assert not [word for word in markers for form in spellings(word) if form in stored]
    assert {kind for *_, kind, _ in cells(path) if isinstance(kind, str)} <= {
        "msgpack+gcm1",
        "null+gcm1",
    }
    assert {row[6] for row in cells(path) if len(row) == 7} == {b"{}"}
    monkeypatch.setitem(globals(), "open_threads", plain_saver)
    await say(path.with_name("control.db"), vault, ADA)
    control = bytes_of(path.with_name("control.db"))
    assert [word for word in markers if word.encode() not in control] == []


def test_nothing_of_a_request_stands_in_clear_when_answered(
    settings: Settings, tmp_path: Path
) -> None:
    """Over the whole way: message, answer, plan, person, course, run and assignment."""
    (tmp_path / "note.md").write_text(f"{NOTE} {PINNED}", "utf-8")
    with Assistant(settings, models=OneModel(settings, f"Say {ANSWERED} [1].")) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
        answer = assistant.ask(f"How do I count words in {ASKED}?", prompt_type="chat")
        markers = [ASKED, ANSWERED, PINNED, "offline", "openai", answer.run_id]
        markers += [assistant.stores.user_id]
        stored = bytes_of(settings.checkpoints_path)
    assert answer.sources
    assert answer.thread_id.encode() in stored
    assert not [word for word in markers for form in spellings(word) if form in stored]


@pytest.mark.anyio
@pytest.mark.parametrize("is_strict", [False, True])
async def test_serializer_is_ours_when_compiled(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_strict: bool,
) -> None:
    """Also where LANGGRAPH_STRICT_MSGPACK makes `compile` ask for another one."""
    monkeypatch.setattr("langgraph._internal._serde.STRICT_MSGPACK_ENABLED", is_strict)
    async with AsyncAssistant(settings) as assistant:
        saver = assistant._threads.checkpointer
        assert isinstance(saver, SealingSaver)
        assert isinstance(saver.serde, SealingSerializer)
        assert saver.with_allowlist({("os", "mkdir")}) is saver
    assert "will not be enforced" not in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("owner", [None, BOB, ThreadOwner("bob", "")])
async def test_thread_is_refused_when_its_person_is_not_known(
    path: Path, vault: Vault, owner: ThreadOwner | None
) -> None:
    """Nothing is written in clear instead, and nothing is read."""
    async with open_threads(path, vault) as saver:
        graph = graph_on(saver)
        asked = graph.ainvoke({"messages": [HumanMessage(ASKED)]}, config_of(ADA))
        with (
            remembering(owner) if owner else nullcontext(),
            pytest.raises(AssistantError, match="as long as it is not said whose it is"),
        ):
            await asked
        with pytest.raises(AssistantError, match="as long as it is not said whose it is"):
            await asyncio.to_thread(saver.serde.dumps_typed, ASKED)
    assert cells(path) == []


NEWEST = "WHERE checkpoint_id = (SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :ada)"
MOVED = "INSERT INTO checkpoints SELECT :to, checkpoint_ns, 'f' || checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints"  # noqa: E501 - one statement
OLDEST = "(SELECT checkpoint FROM checkpoints WHERE thread_id = :ada ORDER BY checkpoint_id)"
CHANGES = {
    "an older value": f"checkpoint = {OLDEST}",
    "another parent": "parent_checkpoint_id = 'another'",
    "no parent": "parent_checkpoint_id = NULL",
    "another packing": "type = 'bytes+gcm1'",
    "packed only": "type = 'msgpack'",
    "sealed otherwise": "type = 'msgpack+aes'",
    "sealed twice": "type = 'msgpack+gcm1+gcm1'",
    "no packing": "type = NULL",
    "a number for a packing": "type = 7",
    "cut at its end": "checkpoint = substr(checkpoint, 1, length(checkpoint) - 1)",
    "cut at its start": "checkpoint = substr(checkpoint, 2)",
    "its key's name alone": "checkpoint = substr(checkpoint, 1, 8)",
    "the start of its nonce": "checkpoint = substr(checkpoint, 1, 12)",
    "longer": "checkpoint = CAST(checkpoint || x'00' AS BLOB)",
    "emptied": "checkpoint = x''",
    "taken out": "checkpoint = NULL",
    "text": "checkpoint = 'text'",
    "a number": "checkpoint = 7",
    "metadata that is no JSON": "metadata = '{'",
    "metadata that is no text": "metadata = x'ff'",
    "metadata that is a number": "metadata = 7",
}


@pytest.mark.anyio
@pytest.mark.parametrize("owner", [ADA, ADAS_OTHER, BOB])
async def test_checkpoint_is_refused_when_moved(
    path: Path, vault: Vault, owner: ThreadOwner
) -> None:
    """To a newer place in its thread, to another thread, to another person's."""
    await say(path, vault, ADA)
    await say(path, vault, owner)
    assert change(path, f"{MOVED} {NEWEST}", to=owner.thread_key, ada=ADA.thread_key) == 1
    with pytest.raises((DamagedError, ErasedError), match="Begin a new thread"):
        await recall(path, vault, owner)


@pytest.mark.anyio
@pytest.mark.parametrize("name", CHANGES)
async def test_checkpoint_is_refused_when_changed(path: Path, vault: Vault, name: str) -> None:
    """Cut, put in clear or replaced by an older one: it does not open."""
    await say(path, vault, ADA)
    await say(path, vault, ADA, "And then?")
    assert change(path, f"UPDATE checkpoints SET {CHANGES[name]} {NEWEST}", ada=ADA.thread_key) == 1  # noqa: S608 - from the table above
    with pytest.raises((DamagedError, ErasedError), match="Begin a new thread"):
        await recall(path, vault, ADA)


@pytest.mark.anyio
async def test_checkpoint_is_refused_when_any_byte_is_another(path: Path, vault: Vault) -> None:
    """In the name of the key, the nonce, the text or the tag."""
    await say(path, vault, ADA)
    with closing(sqlite3.connect(path)) as connection:
        newest = "SELECT max(checkpoint_id), checkpoint FROM checkpoints"
        last, sealed = connection.execute(newest).fetchone()
    for place in (0, 7, 8, 19, 20, len(sealed) // 2, len(sealed) - 16, len(sealed) - 1):
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        put = "UPDATE checkpoints SET checkpoint = :content WHERE checkpoint_id = :id"
        change(path, put, content=bytes(flipped), id=last)
        with pytest.raises((DamagedError, ErasedError)):
            await recall(path, vault, ADA)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE writes SET type = 'msgpack'",
        "UPDATE writes SET channel = 'note' WHERE channel = 'messages'",
        "UPDATE writes SET task_id = 'another'",
        "UPDATE writes SET value = (SELECT value FROM writes WHERE channel = 'note')",
        "UPDATE writes SET idx = 'a' WHERE channel = 'note'",
        "UPDATE writes SET value = substr(value, 1, length(value) - 1)",
    ],
)
async def test_write_is_refused_when_changed(path: Path, vault: Vault, statement: str) -> None:
    """What a step left behind that another one's failure cut short."""
    with pytest.raises(ZeroDivisionError):
        await say(path, vault, ADA, "break")
    assert change(path, statement)
    with pytest.raises(DamagedError, match="Begin a new thread"):
        await recall(path, vault, ADA)
