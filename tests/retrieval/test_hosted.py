"""The same index on a real Chroma server of this machine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from uuid import uuid4

import numpy as np
import pytest
from chromadb.config import Settings

from retrieval import IndexIdentityError, RetrievalError
from retrieval.storing import hosted as hosted_module
from retrieval.storing.hosted import HostedStore
from retrieval.storing.renewal import renew, writing
from retrieval.storing.rows import put, release, remove, snapshot
from retrieval.storing.store import Stamp
from tests.retrieval.keeping import (
    LengthEmbeddings,
    chroma_server,
    entry,
    helper,
    using,
    vectors_of,
)

IDENTITY = "test:64"
ENTRIES = [entry(f"d{n:03}", f"text {n}") for n in range(40)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Chroma's own server on loopback."""
    with chroma_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def name() -> str:
    """Return a name that no other test uses."""
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
def store(server: str, name: str) -> Iterator[HostedStore]:
    """Fill an index on the server."""
    filled = HostedStore(server, IDENTITY, name=name)
    put(filled, ENTRIES, vectors_of(ENTRIES))
    yield filled
    filled.close()


@pytest.fixture
def other(server: str, name: str) -> Iterator[HostedStore]:
    """Use the same index by another connection."""
    with using(server, IDENTITY, name=name) as opened:
        yield opened


def collections(store: HostedStore, name: str) -> list[str]:
    """Return what the server holds of one index."""
    with store._server.used() as client:
        found = [one.name for one in client.list_collections()]
    return sorted(one.removeprefix(name) for one in found if one.startswith(name))


def test_index_that_nobody_began(server: str, name: str) -> None:
    """The first use begins an empty one."""
    with using(server, IDENTITY, name=name) as store:
        assert store.stamp() == Stamp("", "")
        held = snapshot(store)
        assert (held.entries, held.stamp) == ([], store.stamp())
        assert store.identity() == IDENTITY


def test_index_holds_what_was_written(
    store: HostedStore, other: HostedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, rows and vectors come back, also in more than one page."""
    monkeypatch.setattr(other, "page_size", 7)
    monkeypatch.setattr(other, "batch_size", 7)
    held = snapshot(other)
    assert held.entries == ENTRIES
    assert np.allclose(held.vectors, vectors_of(ENTRIES), atol=1e-6)
    assert held.stamp == store.stamp() == other.stamp()
    more = [entry(f"e{n:03}", f"more {n}") for n in range(20)]
    put(other, more, vectors_of(more))
    assert snapshot(store).entries == [*ENTRIES, *more]


def test_write_of_another_is_seen(store: HostedStore, other: HostedStore) -> None:
    """Adding, changing, releasing and removing each change the stamp of everyone."""
    stamps = {store.stamp()}
    changed = [entry("d003", "changed")]
    put(other, changed, vectors_of(changed), replaced=["d003"])
    stamps.add(store.stamp())
    assert release(other, ["d004"]) == 1
    stamps.add(store.stamp())
    assert remove(other, ["d005", "nobody"]) == 1
    stamps.add(store.stamp())
    assert len(stamps) == 4
    rows = {one.row["document_id"]: one for one in snapshot(store).entries}
    assert len(rows) == 39
    assert (rows["d003"].text, rows["d004"].row["released"]) == ("changed", True)
    assert "d005" not in rows


def test_renewed_when_something_was_removed(store: HostedStore, name: str) -> None:
    """What stays is copied with its vectors; the collection that held the rest is deleted."""
    before = collections(store, name)
    with writing(store):
        remove(store, ["d000"])
        assert store.owing
    assert not store.owing
    held = snapshot(store)
    assert held.entries == ENTRIES[1:]
    assert np.allclose(held.vectors, vectors_of(ENTRIES[1:]), atol=1e-6)
    assert [one[-3:] for one in before] == ["", "-v1"]
    assert [one[-3:] for one in collections(store, name)] == ["", "-v2"]


def test_renewed_with_another_embedding(store: HostedStore, server: str, name: str) -> None:
    """The old one answers until then; who has it open is then told to rebuild."""
    seen: list[int] = []

    def look(*_: int) -> None:
        seen.append(len(snapshot(store).entries))

    with using(server, name=name) as any_embedding:
        renew(any_embedding, "length:3", LengthEmbeddings(), look)
    assert seen == [40]
    message = r"built with the embedding 'length:3', but 'test:64' is configured\. Run: assist"
    with pytest.raises(IndexIdentityError, match=message):
        snapshot(store)
    with using(server, "length:3", name=name) as renewed:
        assert snapshot(renewed).vectors.shape == (40, 3)


def test_renewal_that_fails_changes_nothing(store: HostedStore, name: str) -> None:
    """The half copy is deleted."""

    class Failing(LengthEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise RetrievalError(f"no vectors for {len(texts)} texts")

    stamp = store.stamp()
    with pytest.raises(RetrievalError, match="no vectors for 40 texts"):
        renew(store, IDENTITY, Failing())
    assert store.stamp() == stamp
    assert [one[-3:] for one in collections(store, name)] == ["", "-v1"]


def test_second_writer_is_told_to_wait(store: HostedStore, other: HostedStore, name: str) -> None:
    """It is refused while another one writes, and let in when that is done."""
    with store.writing():
        with store.writing():
            pass
        with pytest.raises(RetrievalError, match=r"is being written to, or a writer died less"):
            other.writing(wait_seconds=0).__enter__()
    with other.writing(wait_seconds=0):
        pass
    assert len(collections(store, name)) == 2


HOLD = """
import sys
from retrieval.storing.hosted import HostedStore

with HostedStore(sys.argv[1], name=sys.argv[2]).writing():
    print("true", flush=True)
    sys.stdin.read()
"""


def test_lock_of_a_killed_writer_ends(
    store: HostedStore, server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server cannot see that its client died, so the lock has a time at which it ends."""
    with helper(HOLD, server, name) as holder:
        holder.answer()
        holder.kill()
    with pytest.raises(RetrievalError, match="a writer died less than 180 s ago"):
        store.writing(wait_seconds=0).__enter__()
    now = hosted_module._now
    monkeypatch.setattr(hosted_module, "_now", lambda client: now(client) + 181)
    with store.writing(wait_seconds=0):
        assert len(collections(store, name)) == 3
    assert len(collections(store, name)) == 2


def test_writer_that_was_taken_for_dead_is_stopped(
    store: HostedStore, other: HostedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not write into what another one has begun to renew."""
    now = hosted_module._now
    with store.writing():
        monkeypatch.setattr(hosted_module, "_now", lambda client: now(client) + 181)
        with other.writing(wait_seconds=0):
            monkeypatch.undo()
            message = "Another process writes to the index"
            with pytest.raises(RetrievalError, match=message):
                put(store, ENTRIES, vectors_of(ENTRIES))
            with pytest.raises(RetrievalError, match=message):
                renew(store, IDENTITY)
            assert len(snapshot(other).entries) == 40


def test_late_writer_takes_no_lock_away(
    store: HostedStore, other: HostedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one that was taken for dead ends, the lock of its follower stays."""
    now = hosted_module._now
    late, follower = store.writing(), other.writing(wait_seconds=0)
    late.__enter__()
    monkeypatch.setattr(hosted_module, "_now", lambda client: now(client) + 181)
    with follower:
        monkeypatch.undo()
        late.__exit__(None, None, None)
        with pytest.raises(RetrievalError, match="is being written to"):
            store.writing(wait_seconds=0).__enter__()
    with store.writing(wait_seconds=0):
        pass


def test_many_begin_at_once(server: str, name: str) -> None:
    """One index comes of it, and every write is in it."""

    def write(number: int) -> None:
        one = [entry(f"d{number}", f"text {number}")]
        with using(server, IDENTITY, name=name) as store, store.writing(wait_seconds=60):
            put(store, one, vectors_of(one))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    with using(server, IDENTITY, name=name) as store:
        assert len(snapshot(store).entries) == 12
        assert len(collections(store, name)) == 2


def test_readers_while_another_writes(store: HostedStore, server: str, name: str) -> None:
    """Each snapshot is one state, and the last one is the newest."""

    def write() -> None:
        with using(server, IDENTITY, name=name) as writer:
            for version in range(8):
                new = [entry(one.row["document_id"], f"version {version}") for one in ENTRIES]
                ids = [one.row["document_id"] for one in ENTRIES]
                put(writer, new, vectors_of(new), replaced=ids)

    thread = Thread(target=write)
    thread.start()
    seen: list[str] = []
    while not seen or seen[-1] != "version 7":
        held = snapshot(store)
        assert len(held.entries) == 40
        if "text 0" not in (texts := {one.text for one in held.entries}):
            assert len(texts) == 1
            seen += texts
    thread.join()
    assert seen == sorted(seen)


def test_nothing_is_told_to_chroma(server: str, name: str) -> None:
    """Its telemetry is off, and it is asked to embed nothing."""
    with using(server, name=name) as store, store._server.used() as client:
        settings: Settings = client._system.settings  # type: ignore[attr-defined] # not in the interface
        assert not settings.anonymized_telemetry
        store.identity()
        data = [one for one in client.list_collections() if one.name.startswith(name)]
        functions = [one.configuration_json["embedding_function"] for one in data]
        assert functions in ([None, {"type": "legacy"}], [{"type": "legacy"}, None])
