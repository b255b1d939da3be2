"""The folder under the index: locks, damage, and the file that names what is in use."""

import platform
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from chromadb.errors import InternalError

from retrieval import AssignmentIndex, LocalEmbeddings, RetrievalError
from retrieval.store import Store, current_generation

ROOT = Path(__file__).parents[2]


def test_second_writer_is_told_to_wait(tmp_path: Path) -> None:
    """Two writers would damage what Chroma keeps beside its database."""
    first, second = Store(tmp_path), Store(tmp_path)
    message = r"cannot be locked for writing \(database is locked\)"
    with first.writing(), pytest.raises(RetrievalError, match=message):
        second.writing(wait_seconds=0).__enter__()
    with second.writing(wait_seconds=0):
        pass


def test_lock_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A lock that cannot be made is an error of the same kind."""
    with pytest.raises(RetrievalError, match="unable to open database file"):
        Store(tmp_path / "gone").writing().__enter__()


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


def test_work_that_chroma_refuses_is_tried_twice(tmp_path: Path) -> None:
    """The second time, the database is opened anew; then the error is ours."""
    tried: list[str] = []

    def refuse(collection: object) -> None:
        tried.append(str(collection))
        raise InternalError("Error finding id")

    with (
        closing(Store(tmp_path)) as store,
        pytest.raises(RetrievalError, match="Error finding id"),
    ):
        store.run(refuse)
    assert len(tried) == 2


_ADD = """
import sys
from pathlib import Path
from retrieval.store import Store

words = [("heard-in-confidence %d " % number) * size for number in range(99) for size in (1, 9, 99)]
del words
store = Store(Path(sys.argv[1]), "length:3")
store.write(lambda collection: collection.add(ids=["a"], embeddings=[[1.0, 2.0, 3.0]]))
store.close()
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
