"""What was removed or replaced is in no file of the index, whatever happens on the way."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from chromadb.api.models.Collection import Collection
from chromadb.errors import InternalError

from retrieval import AssignmentIndex, Document, RetrievalError
from retrieval.storing.renewal import writing
from retrieval.storing.rows import put, remove, snapshot
from retrieval.storing.store import Store
from tests.retrieval.keeping import entry, helper, vectors_of

SECRET = entry("0b5e-secret", "Zaphod heard in confidence that the grade was changed. " * 30)
OLD = entry("5a1f-altered", "Trillian wrote this before she thought about it. " * 30)
NEW = entry("5a1f-altered", "What is public.")
WORDS = (
    SECRET.row["document_id"],
    "Zaphod heard",
    "grade was changed",
    "Trillian wrote",
    "she thought",
)

COMMAND = """
import json, os, signal, sys
from pathlib import Path
from retrieval.storing.renewal import writing
from retrieval.storing.rows import put, remove
from retrieval.storing.store import Store
from tests.retrieval.keeping import entry, vectors_of

FILES = {"fsync", "replace", "unlink", "rmdir", "mkdir"}

def is_step(called):
    if called.__module__ == "posix":
        return called.__name__ in FILES
    return type(called.__self__).__name__ in {"Bindings", "Connection"}

def command(folder, last):
    seen = 0

    def step(frame, event, argument):
        nonlocal seen
        if event in {"c_call", "c_return"} and is_step(argument):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    new = [entry("5a1f-altered", "What is public.")]
    vectors, store = vectors_of(new), Store(Path(folder), "test:64")
    sys.setprofile(step)
    with writing(store):
        remove(store, ["0b5e-secret"])
        put(store, new, vectors, replaced=["5a1f-altered"])
    sys.setprofile(None)
    return seen

for line in sys.stdin:
    folder, last = json.loads(line)
    reading, told = os.pipe()
    if not (child := os.fork()):
        os.write(told, str(command(folder, last)).encode())
        os._exit(0)
    os.close(told)
    os.waitpid(child, 0)
    print(int(os.read(reading, 99) or 0), flush=True)
    os.close(reading)
"""

READER = """
import json, sys
from pathlib import Path
from retrieval.storing.rows import snapshot
from retrieval.storing.store import Store

store = Store(Path(sys.argv[1]), "test:64")
for line in sys.stdin:
    print(json.dumps([one.text for one in snapshot(store).entries]), flush=True)
"""


def filled(folder: Path, others: int) -> Store:
    """Fill an index with the two that are to go, and others."""
    store = Store(folder, "test:64")
    entries = [entry(f"d{n:04}", f"text {n}") for n in range(others)]
    put(store, [*entries, SECRET, OLD], vectors_of([*entries, SECRET, OLD]))
    return store


def found(folder: Path, *, also: Sequence[bytes] = ()) -> set[str]:
    """Return which words, and whose vectors, are in any file below a folder."""
    needles = [(word, word.encode(coding)) for word in WORDS for coding in ("utf-8", "utf-16-le")]
    for one in (SECRET, OLD):
        vector = vectors_of([one])[0].tobytes()
        needles += [(one.chunk_id, vector[at : at + 32]) for at in range(0, len(vector), 32)]
    needles += [("also", vector[at : at + 32]) for vector in also for at in range(0, 256, 32)]
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {name for name, needle in needles if any(needle in file for file in files)}


EVERYTHING = {*WORDS, SECRET.chunk_id, OLD.chunk_id, "also"}


@pytest.mark.parametrize("others", [20, pytest.param(1_500, marks=pytest.mark.slow)])
def test_removed_and_replaced_are_in_no_file(tmp_path: Path, others: int) -> None:
    """They are there before and, as Chroma does it, after; and nowhere when the command is done."""
    folder = tmp_path / "index"
    store = filled(folder, others)
    held = snapshot(store)
    vectors = [held.vectors[held.entries.index(one)].tobytes() for one in (SECRET, OLD)]
    assert found(folder, also=vectors) == EVERYTHING
    with writing(store):
        assert remove(store, [SECRET.row["document_id"]]) == 1
        put(store, [NEW], vectors_of([NEW]), replaced=[NEW.row["document_id"]])
        assert found(folder, also=vectors) == EVERYTHING
    assert found(folder, also=vectors) == set()
    assert len(snapshot(store).entries) == others + 1
    assert NEW in snapshot(store).entries


def test_removed_document_of_an_index_is_in_no_file(
    tmp_path: Path, index: AssignmentIndex, make_document: Callable[..., Document]
) -> None:
    """Also as a teacher removes and changes it, with the real embeddings."""
    secret = make_document(SECRET.text, name="secret.md")
    old = make_document(OLD.text, name="altered.md")
    index.add([secret, old, make_document("linked lists", name="other.md")])
    assert found(tmp_path) >= {"Zaphod heard", "Trillian wrote"}
    assert index.remove([secret.document_id]) == 1
    assert index.add([make_document(NEW.text, name="altered.md")]).changed == 1
    assert found(tmp_path) == set()
    assert index.stats().documents == 2


def test_reader_goes_on_while_what_it_read_is_forgotten(tmp_path: Path) -> None:
    """Another process sees the new state at its next query, also of a deleted generation."""
    store = filled(tmp_path, 3)
    with helper(READER, str(tmp_path)) as reader:
        assert SECRET.text in reader.ask()
        with writing(store):
            remove(store, [SECRET.row["document_id"]])
            assert SECRET.text not in reader.ask()
        assert sorted(reader.ask()) == sorted(["text 0", "text 1", "text 2", OLD.text])
    assert sorted(path.name for path in tmp_path.glob("v*")) == ["v2"]


@pytest.mark.parametrize("every", [37, pytest.param(4, marks=pytest.mark.slow)])
def test_index_when_the_process_is_killed_at_any_step(tmp_path: Path, every: int) -> None:
    """It can be read, what others wrote is in it, and the next writer finishes the forgetting."""
    filled(tmp_path / "full", 5)
    last = 0
    with helper(COMMAND) as killer:
        while True:
            last += every
            folder = tmp_path / str(last)
            shutil.copytree(tmp_path / "full", folder)
            if killer.ask(str(folder), last):
                break
            check_after_kill(folder)
            shutil.rmtree(folder)
    assert last > 60
    assert found(folder) == set()


def check_after_kill(folder: Path) -> None:
    """Read what a killed process left, and finish what it began."""
    store = Store(folder, "test:64")
    left = {one.row["document_id"]: one.text for one in snapshot(store).entries}
    secret, altered = (left.pop(one.row["document_id"], None) for one in (SECRET, NEW))
    assert left == {f"d{n:04}": f"text {n}" for n in range(5)}
    assert secret in {None, SECRET.text}
    assert altered in {OLD.text, NEW.text}
    with writing(store):
        pass
    words = found(folder)
    assert ("Zaphod heard" in words) == (secret is not None)
    assert ("Trillian wrote" in words) == (altered == OLD.text)
    assert len(list(folder.glob("v*"))) == 1
    assert len(snapshot(store).entries) == 5 + (secret is not None) + 1


def test_replaced_documents_stay_when_the_new_ones_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs nothing that was there, also not in the copy that is made at the end."""

    def refuse(*_: object, **__: object) -> None:
        raise InternalError("disk full")

    def command() -> None:
        with writing(store):
            monkeypatch.setattr(Collection, "upsert", refuse)
            try:
                put(store, [NEW], vectors_of([NEW]), replaced=["5a1f-altered", "d0001"])
            finally:
                monkeypatch.undo()

    store = filled(tmp_path, 3)
    before = snapshot(store).entries
    with pytest.raises(RetrievalError, match="disk full"):
        command()
    assert snapshot(store).entries == before
    assert not store.owing


def test_replaced_chunk_says_only_what_the_new_one_says(tmp_path: Path) -> None:
    """Chunks and keys that the new version lacks are gone."""
    first, second = entry("a", "first"), entry("a", "second", position=1)
    timed = [one._replace(row={**one.row, "actual_minutes": 90}) for one in (first, second)]
    new, store = entry("a", "new"), Store(tmp_path, "test:64")
    put(store, timed, vectors_of(timed))
    assert snapshot(store).entries == timed
    put(store, [new], vectors_of([new]), replaced=["a"])
    assert snapshot(store).entries == [new]


def test_generation_that_cannot_be_deleted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that something is forgotten when it is not."""
    (tmp_path / "v7").mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(RetrievalError, match="v7' may hold what was removed from the index"):
        Store(tmp_path).sweep()
