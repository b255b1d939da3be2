"""What one process writes, every other one sees at its next query."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from retrieval import AssignmentIndex, Document, LocalEmbeddings
from retrieval.storing.rows import put, remove, snapshot
from retrieval.storing.store import Store
from tests.retrieval.keeping import Helper, entry, helper, vectors_of

Make = Callable[..., Document]

ASSISTANT = """
import json, sys
from pathlib import Path
from retrieval import AssignmentIndex, Document, LocalEmbeddings

index = AssignmentIndex.open(Path(sys.argv[1]), LocalEmbeddings(), LocalEmbeddings.identity)
for line in sys.stdin:
    what, *rest = json.loads(line)
    if what == "add":
        name, text = rest
        document = Document(document_id=name, title=name, text=text, name=name)
        index.add([document])
        answer = None
    elif what == "remove":
        answer = index.remove(rest)
    else:
        answer = [source["passage"] for source in index.search(*rest, limit=9)]
    print(json.dumps(answer), flush=True)
"""

KEEPER = """
import json, sys, time
from pathlib import Path
from retrieval.storing.rows import put, snapshot
from retrieval.storing.store import Store
from tests.retrieval.keeping import entry, vectors_of

store = Store(Path(sys.argv[1]), "test:64")
for line in sys.stdin:
    what, *rest = json.loads(line)
    if what == "write":
        names, texts = rest
        entries = [entry(name, text) for name in names for text in texts[-1:]]
        put(store, entries, vectors_of(entries), replaced=names)
    elif what == "versions":
        names, first, last = rest
        for version in range(first, last):
            entries = [entry(name, f"version {version:04}") for name in names]
            put(store, entries, vectors_of(entries), replaced=names)
            time.sleep(0.05)  # as it takes to embed a batch
    print(json.dumps([one.text for one in snapshot(store).entries]), flush=True)
"""


def text_of(name: str, version: int) -> str:
    """Return texts of one length, of which each has a word of its own."""
    return f"linked list exercise {name}version{version:04}"


class Walk:
    """Random steps in two processes, and what is there after each of them."""

    def __init__(self, processes: list[Helper], seed: int) -> None:
        """Begin with an index that holds one document."""
        self.random = random.Random(seed)  # noqa: S311 - nothing is kept secret with it
        self.processes = processes
        self.there: dict[str, str] = {}
        self.gone = [text_of("d99", 0)]
        self.version = 0
        self.searches = 0
        self.write("d00")

    def step(self) -> None:
        """Do one thing in one of the processes."""
        what = self.random.choice(["add", "change", "remove", "search", "search"])
        free = [name for name in (f"d{n:02}" for n in range(12)) if name not in self.there]
        if what == "add" and free:
            self.write(self.random.choice(free))
        elif what == "change":
            name = self.random.choice(sorted(self.there))
            self.gone.append(self.there[name])
            self.write(name)
        elif what == "remove" and len(self.there) > 1:
            name = self.random.choice(sorted(self.there))
            self.gone.append(self.there.pop(name))
            assert self.one().ask("remove", name) == 1
        else:
            self.search()

    def one(self) -> Helper:
        """Return one of the processes."""
        return self.random.choice(self.processes)

    def write(self, name: str) -> None:
        """Add a document, or change it."""
        self.version += 1
        self.there[name] = text_of(name, self.version)
        self.one().ask("add", name, self.there[name])

    def search(self) -> None:
        """Look for what is there, and for what was there."""
        self.searches += 1
        wanted = self.random.choice(sorted(self.there.values()))
        for process in self.processes:
            found = process.ask("search", wanted)
            assert wanted in found
            assert set(found) <= set(self.there.values())
            found = process.ask("search", self.random.choice(self.gone))
            assert set(found) <= set(self.there.values())


@pytest.mark.parametrize("steps", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_search_when_two_processes_write_in_turn(tmp_path: Path, steps: int) -> None:
    """After any of many random steps no search finds what is no more, or misses what is."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(helper(ASSISTANT, str(tmp_path / "index"))) for _ in range(2)
        ]
        walk = Walk(processes, seed=11)
        for _ in range(steps):
            walk.step()
    assert walk.searches > steps / 4


def test_stamp_when_time_and_size_of_the_database_stay(tmp_path: Path) -> None:
    """A change is seen also where the file system's clock is too coarse to show it."""
    reader, writer = Store(tmp_path, "test:64"), Store(tmp_path, "test:64")
    old = [entry("a", "version 1")]
    put(writer, old, vectors_of(old))
    held, database = snapshot(reader), tmp_path / "v1" / "chroma.sqlite3"
    assert held.stamp == reader.stamp() == writer.stamp()
    before = database.stat()
    new = [entry("a", "version 2")]
    put(writer, new, vectors_of(new), replaced=["a"])
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reader.stamp() != held.stamp
    assert [one.text for one in snapshot(reader).entries] == ["version 2"]


def test_stamp_when_others_only_read(tmp_path: Path) -> None:
    """Opening a database of more than 1,000 vectors writes to it, and that is no change."""
    store = Store(tmp_path, "test:64")
    entries = [entry(f"d{n:04}", f"text {n}") for n in range(1_500)]
    put(store, entries, vectors_of(entries))
    stamp = store.stamp()
    for _ in range(2):
        held = snapshot(Store(tmp_path, "test:64"))
        assert held.stamp == stamp == store.stamp()
    assert [one.text for one in held.entries] == [one.text for one in entries]
    assert np.allclose(held.vectors, vectors_of(entries), atol=1e-6)


def test_stamp_when_the_folder_is_deleted_and_made_again(tmp_path: Path) -> None:
    """What was read before is not taken for what is there now."""
    store, entries = Store(tmp_path / "index", "test:64"), [entry("a", "text")]
    put(store, entries, vectors_of(entries))
    first = snapshot(store)
    shutil.rmtree(tmp_path / "index")
    assert store.stamp() != first.stamp
    assert snapshot(store).entries == []
    put(store, entries, vectors_of(entries))
    assert store.stamp() not in {first.stamp, None}


def test_snapshot_when_another_process_writes(tmp_path: Path) -> None:
    """Each shows one state, none goes back, and the stamp is of what is shown."""
    names = [f"d{n:02}" for n in range(30)]
    store = Store(tmp_path, "test:64")
    first = [entry(name, "version 0000") for name in names]
    put(store, first, vectors_of(first))
    seen: list[str] = []
    with helper(KEEPER, str(tmp_path)) as writer:
        writer.tell("versions", names, 1, 13)
        while not seen or seen[-1] != "version 0012":
            held = snapshot(store)
            texts = {one.text for one in held.entries}
            assert (len(held.entries), len(texts)) == (30, 1)
            assert np.allclose(held.vectors, vectors_of(held.entries), atol=1e-6)
            seen += texts
        assert set(writer.answer()) == {"version 0012"}
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def test_write_when_another_process_writes(tmp_path: Path) -> None:
    """Writers wait for each other, and nothing of either is lost."""
    with ExitStack() as stack:
        writers = [stack.enter_context(helper(KEEPER, str(tmp_path))) for _ in range(3)]
        for number in range(12):
            for who, writer in enumerate(writers):
                writer.tell("write", [f"w{who}n{number:02}"], [f"by {who}"])
        for writer in writers:
            for number in range(12):
                assert len(writer.answer()) > number
    assert len(snapshot(Store(tmp_path)).entries) == 36


def test_first_use_when_many_processes_begin_an_index(tmp_path: Path) -> None:
    """All of them find the same one."""
    with ExitStack() as stack:
        starting = [stack.enter_context(helper(KEEPER, str(tmp_path / "index"))) for _ in range(4)]
        for one in starting:
            one.tell("read")
        assert [one.answer() for one in starting] == [[], [], [], []]


@pytest.fixture
def two(tmp_path: Path, embeddings: LocalEmbeddings) -> Iterator[list[AssignmentIndex]]:
    """Open one index twice in one process."""
    opened = [
        AssignmentIndex.open(tmp_path / "index", embeddings, LocalEmbeddings.identity)
        for _ in range(2)
    ]
    yield opened
    for index in opened:
        index.close()


def test_search_when_another_process_writes_and_two_are_open_here(
    tmp_path: Path, two: list[AssignmentIndex]
) -> None:
    """Two indexes of one process share no memory of what was."""
    with helper(ASSISTANT, str(tmp_path / "index")) as other:
        for version in range(3):
            other.ask("add", "a", text_of("a", version))
            for index in two:
                (source,) = index.search(text_of("a", 0))
                assert source["passage"] == text_of("a", version)


def test_removed_is_seen_by_a_second_store(tmp_path: Path) -> None:
    """Removing what is not there changes nothing; removing what is there changes the stamp."""
    store, other = Store(tmp_path, "test:64"), Store(tmp_path, "test:64")
    entries = [entry("a", "text a"), entry("b", "text b")]
    put(store, entries, vectors_of(entries))
    stamp = other.stamp()
    assert remove(store, ["nobody"]) == 0
    assert other.stamp() == stamp
    assert remove(store, ["a", "nobody"]) == 1
    assert other.stamp() != stamp
    assert [one.text for one in snapshot(other).entries] == ["text b"]
