"""The folder under the index: locks, damage, and the file that names what is in use."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from chromadb.api.models.Collection import Collection
from chromadb.errors import InternalError

from retrieval import AssignmentIndex, LocalEmbeddings, RetrievalError
from retrieval.storing.store import Store, current_generation
from tests.retrieval.keeping import helper

ROOT = Path(__file__).parents[2]


def test_second_writer_is_told_to_wait(tmp_path: Path) -> None:
    """Two writers would damage what Chroma keeps beside its database."""
    first, second = Store(tmp_path), Store(tmp_path)
    message = r"cannot be locked \(database is locked\)\. Wait until no other command writes"
    with first.writing(), pytest.raises(RetrievalError, match=message):
        second.writing(wait_seconds=0).__enter__()
    with second.writing(wait_seconds=0):
        pass


def test_lock_when_it_cannot_be_made(tmp_path: Path) -> None:
    """A lock that is something else is an error of the same kind."""
    (tmp_path / "writer.lock").mkdir()
    with pytest.raises(RetrievalError, match="unable to open database file"):
        Store(tmp_path).writing().__enter__()


def test_lock_when_its_holder_is_killed(tmp_path: Path) -> None:
    """A writer that is gone keeps nobody from writing."""
    with helper(_HOLD, str(tmp_path)) as holder:
        holder.answer()
        with pytest.raises(RetrievalError, match="cannot be locked"):
            Store(tmp_path).writing(wait_seconds=0).__enter__()
        holder.kill()
        with Store(tmp_path).writing(wait_seconds=0):
            pass


def test_writer_may_write_while_it_writes(tmp_path: Path) -> None:
    """Who holds the lock is not kept from it, and has let go of it at the end alone."""
    store, other = Store(tmp_path), Store(tmp_path)
    with store.writing():
        with store.writing():
            pass
        with pytest.raises(RetrievalError, match="cannot be locked"):
            other.writing(wait_seconds=0).__enter__()
    with other.writing(wait_seconds=0):
        pass


def test_damaged_database_is_named_with_a_remedy(tmp_path: Path) -> None:
    """What Chroma says is passed on with what to do."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "chroma.sqlite3").write_bytes(b"not a database" * 100)
    for message in (r"cannot be used \(.*not a database.*Restore the folder", "cannot be used"):
        with pytest.raises(RetrievalError, match=message):
            AssignmentIndex.open(tmp_path, LocalEmbeddings(), "any")


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """The folder is named when it cannot be made."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(RetrievalError, match=r"cannot be made \(.*\)\. Choose another folder"):
        AssignmentIndex.open(tmp_path / "file", LocalEmbeddings(), "any")


@pytest.mark.parametrize("content", [b"../../etc", b"", b"v1\nv2", b"\xff"])
def test_pointer_names_only_a_numbered_subfolder(tmp_path: Path, content: bytes) -> None:
    """A damaged pointer leads nowhere else."""
    (tmp_path / "current").write_bytes(content)
    with pytest.raises(RetrievalError, match="does not name a subfolder such as 'v1'"):
        current_generation(tmp_path)


def test_work_when_chroma_refuses_it(tmp_path: Path) -> None:
    """What Chroma says is passed on, and the next work is done."""

    def refuse(collection: Collection) -> None:
        raise InternalError(f"no to {collection.name}")

    store = Store(tmp_path)
    with pytest.raises(RetrievalError, match="no to past_assignments"):
        store.run(refuse)
    assert store.run(lambda collection: collection.count()) == 0


_ADD = """
import sys
from pathlib import Path
from retrieval.storing.store import Store

words = [("heard-in-confidence %d " % number) * size for number in range(99) for size in (1, 9, 99)]
del words
store = Store(Path(sys.argv[1]), "length:3")
store.write(lambda collection: collection.add(ids=["a"], embeddings=[[1.0, 2.0, 3.0]]))
"""

_HOLD = """
import sys
from pathlib import Path
from retrieval.storing.store import Store

with Store(Path(sys.argv[1])).writing():
    print("true", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nobody can ask for zeros")
def test_no_memory_is_written_when_the_index_is_kept(tmp_path: Path) -> None:
    """Chroma writes whole buffers; what it did not fill is empty, and no piece of what was said."""
    subprocess.run([sys.executable, "-c", _ADD, str(tmp_path)], check=True, cwd=ROOT)
    files = [path for path in tmp_path.rglob("*.bin") if path.stat().st_size]
    assert {path.name for path in files} >= {"length.bin", "data_level0.bin"}
    for path in files:
        assert b"confidence" not in path.read_bytes()
    (lengths,) = tmp_path.rglob("length.bin")
    assert not any(lengths.read_bytes())


def test_small_buffer_is_emptied_when_chroma_left_memory_in_it(tmp_path: Path) -> None:
    """The C library gives out the smallest pieces as they were; what lies there is not kept."""
    store, vector = Store(tmp_path), np.array([[1.0, 2.0, 3.0]], np.float32)
    store.write(lambda collection: collection.add(ids=["a"], embeddings=vector))
    (lengths,) = tmp_path.rglob("length.bin")
    store.run(lambda _: lengths.write_bytes(b"heard-in-confidence!" * 20))
    assert lengths.read_bytes() == bytes(400)
    found = store.run(lambda collection: collection.get(include=["embeddings"]))
    assert np.allclose(np.asarray(found["embeddings"]), vector)
    again = store.run(lambda collection: collection.query(query_embeddings=vector))
    assert again["ids"] == [["a"]]
