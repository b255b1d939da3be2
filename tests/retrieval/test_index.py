"""Adding to the index, counting it, opening it, and embedding it anew."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from chromadb.api.client import Client
from langchain_core.embeddings import Embeddings

from retrieval import (
    AddReport,
    AssignmentIndex,
    Document,
    DocumentError,
    IndexIdentityError,
    IndexMissingError,
    LocalEmbeddings,
    RetrievalError,
    document_id,
    read_documents,
)
from retrieval.storing import rows
from retrieval.storing.store import Store

Make = Callable[..., Document]
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "past-assignments"


def report(**counts: int) -> AddReport:
    """Return what `add` says of documents that are as they should be."""
    return AddReport(
        **{"added": 0, "changed": 0, "unchanged": 0, "chunks": 0, **counts}, withheld=[]
    )


class LengthEmbeddings(Embeddings):
    """Three numbers a text, counted, so that a test sees what was embedded."""

    identity = "length:3"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Remember the texts."""
        self.texts += texts
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a vector that depends on the length."""
        return [1.0, len(text) / 1000, 0.5]


def test_add_reports_what_it_did(index: AssignmentIndex, make_document: Make) -> None:
    """New, changed and unchanged documents are told apart."""
    first, second = make_document("about lists", name="a.md"), make_document("trees", name="b.md")
    assert index.add([first, second]) == report(added=2, chunks=2)
    edited = replace(second, text="trees and heaps")
    assert index.add([first, edited]) == report(changed=1, unchanged=1, chunks=1)
    assert [source["passage"] for source in index.search("heaps")] == ["trees and heaps"]


def test_changed_document_loses_its_old_chunks(index: AssignmentIndex, make_document: Make) -> None:
    """A document that got shorter leaves nothing behind."""
    long = make_document("# Part\n\n" + "binary search tree " * 400)
    index.add([long])
    assert index.stats().chunks > 1
    index.add([replace(long, text="binary search tree")])
    assert index.stats().chunks == 1


def test_changed_title_counts_as_a_change(index: AssignmentIndex, make_document: Make) -> None:
    """What readers are shown beside the text belongs to the document."""
    index.add([make_document("trees")])
    assert index.add([replace(make_document("trees"), title="New")]).changed == 1


def test_add_embeds_only_what_is_new(tmp_path: Path, make_document: Make) -> None:
    """Embedding costs time or money, so nothing is embedded twice."""
    counted = LengthEmbeddings()
    documents = [make_document(f"text {n}", name=f"{n}.md") for n in range(3)]
    with closing(AssignmentIndex.open(tmp_path, counted, counted.identity)) as index:
        index.add(documents[:2])
        index.add(documents)
    assert [text.splitlines()[-1] for text in counted.texts] == ["text 0", "text 1", "text 2"]


def test_document_given_twice_is_added_once(index: AssignmentIndex, make_document: Make) -> None:
    """The later one of two documents with one id stays."""
    assert index.add([make_document("old"), make_document("newer")]).chunks == 1


def test_half_written_document_is_repaired(
    index: AssignmentIndex, make_document: Make, tmp_path: Path
) -> None:
    """A document of which chunks are missing is written again."""
    document = make_document("graph search " * 300)
    index.add([document])
    with closing(Store(tmp_path / "index")) as store:
        store.write(lambda collection: collection.delete(ids=[f"{document.document_id}:1"]))
    assert index.add([document]).changed == 1
    assert index.add([document]).unchanged == 1


def test_large_document_is_added_and_replaced(tmp_path: Path, make_document: Make) -> None:
    """A text of thousands of chunks is no special case, also together with many others."""
    large = make_document("# a heading\n\nand words\n\n" * 15_000, name="large.md")
    others = [make_document(f"text {n}", name=f"{n}.md") for n in range(600)]
    few = LengthEmbeddings()
    with closing(AssignmentIndex.open(tmp_path, few, few.identity)) as index:
        assert index.add([*others, large]).added == 601
        assert index.add([replace(large, title="Other")]).changed == 1
        assert index.stats().documents == 601


def test_more_chunks_than_chroma_takes_at_once(
    tmp_path: Path, make_document: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes are cut to the size that Chroma allows."""
    few = LengthEmbeddings()
    monkeypatch.setattr(Client, "get_max_batch_size", lambda _: 2)
    with closing(AssignmentIndex.open(tmp_path, few, few.identity)) as index:
        index.add([make_document("word " * 2_000)])
        assert index.stats().chunks == 6


def test_broken_document_stops_add_and_a_second_add_repairs(
    index: AssignmentIndex, make_document: Make
) -> None:
    """The error passes through, and the index is still in order."""

    def documents() -> Iterator[Document]:
        yield make_document("fine")
        raise DocumentError("no")

    with pytest.raises(DocumentError):
        index.add(documents())
    index.add([make_document("fine")])
    assert index.stats().documents == 1


def test_nothing_to_add_changes_nothing(index: AssignmentIndex) -> None:
    """An empty list is no error."""
    assert index.add([]) == report()


def test_stats_count_documents_by_course_and_language(
    index: AssignmentIndex, make_document: Make, past_assignment: Path, tmp_path: Path
) -> None:
    """A member of staff sees at a glance what is there."""
    index.add([*read_documents(past_assignment), make_document("x", course="cs1")])
    stats = index.stats()
    assert (stats.documents, stats.chunks) == (2, 6)
    assert (stats.courses, stats.languages) == ({"": 1, "cs1": 1}, {"": 1, "python": 1})
    assert (stats.embedding, stats.path) == (LocalEmbeddings.identity, str(tmp_path / "index"))


def test_stats_of_an_empty_index_are_zero(index: AssignmentIndex) -> None:
    """Counting an empty index is no error."""
    assert (index.stats().documents, index.stats().courses) == (0, {})


def test_index_is_there_again_after_it_was_closed(
    tmp_path: Path, index: AssignmentIndex, make_document: Make
) -> None:
    """What was added is on disk, readable by the owner only."""
    index.add([make_document("recursion")])
    index.close()
    index.close()
    assert index.stats().documents == 1
    assert (tmp_path / "index").stat().st_mode & 0o777 == 0o700


def test_open_refuses_another_embedding(tmp_path: Path, index: AssignmentIndex) -> None:
    """Vectors of two models cannot be compared."""
    other = LengthEmbeddings()
    message = (
        r"built with the embedding 'wordllama:l2_supercat:256', "
        r"but 'length:3' is configured\. Run: assist index rebuild"
    )
    with pytest.raises(IndexIdentityError, match=message):
        AssignmentIndex.open(tmp_path / "index", other, other.identity)
    assert index.stats().embedding == LocalEmbeddings.identity


def test_rebuild_embeds_everything_anew(
    tmp_path: Path, index: AssignmentIndex, past_assignment: Path, make_document: Make
) -> None:
    """All that is needed is in the index itself; the first one then knows that it is outdated."""
    index.add([*read_documents(past_assignment), make_document("deep recursion", course="cs1")])
    before, other = index.stats(), LengthEmbeddings()
    with closing(AssignmentIndex.rebuild(tmp_path / "index", other, other.identity)) as rebuilt:
        assert rebuilt.stats() == replace(before, embedding="length:3")
        assert rebuilt.add(read_documents(past_assignment)).unchanged == 1
        assert len(rebuilt.search("recursion", course="cs1", limit=9)) == 3
    assert sorted(path.name for path in (tmp_path / "index").glob("v*")) == ["v2"]
    with pytest.raises(IndexIdentityError):
        index.search("recursion")


def test_rebuild_that_fails_leaves_the_index_as_it_was(
    tmp_path: Path, index: AssignmentIndex, make_document: Make
) -> None:
    """The new index is put in use only when it is complete."""

    class Failing(LengthEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise RetrievalError(f"no vectors for {len(texts)} texts")

    index.add([make_document("recursion")])
    with pytest.raises(RetrievalError, match="no vectors for 1 texts"):
        AssignmentIndex.rebuild(tmp_path / "index", Failing(), "failing:1")
    assert len(index.search("recursion")) == 1
    embeddings = LocalEmbeddings()
    AssignmentIndex.rebuild(tmp_path / "index", embeddings, "second").close()


def test_rebuild_without_an_index(tmp_path: Path) -> None:
    """There is nothing to embed anew."""
    few = LengthEmbeddings()
    with pytest.raises(IndexMissingError, match=r"no index at .*\. Run: assist index add PATH"):
        AssignmentIndex.rebuild(tmp_path / "nowhere", few, few.identity)


ADD_ELSEWHERE = """
import sys
from pathlib import Path
from retrieval import AssignmentIndex, LocalEmbeddings, read_documents
index = AssignmentIndex.open(Path(sys.argv[1]), LocalEmbeddings(), LocalEmbeddings.identity)
index.add(read_documents(Path(sys.argv[2])))
index.close()
"""


def test_index_sees_what_another_process_wrote(
    tmp_path: Path, index: AssignmentIndex, make_document: Make, past_assignment: Path
) -> None:
    """A running server finds what `assist index add` brings, and not what it replaced."""
    same = document_id(f"{past_assignment.parent.name}/{past_assignment.name}")
    before = make_document("Books lent with a token, as they were.", name=past_assignment.name)
    index.add([make_document("hash tables"), replace(before, document_id=same)])
    assert index.search("lend books with a token")[0]["place"] == "library-api.md"
    arguments = [str(tmp_path / "index"), str(past_assignment)]
    subprocess.run([sys.executable, "-c", ADD_ELSEWHERE, *arguments], check=True, cwd=ROOT)
    places = {source["place"] for source in index.search("lend books with a token")}
    assert "library-api.md, Brief" in places
    assert "library-api.md" not in places


def test_threads_may_search_while_another_adds(index: AssignmentIndex, make_document: Make) -> None:
    """A search never sees half of a write."""
    index.add([make_document("hash tables")])

    def search(number: int) -> int:
        if number % 5 == 0:
            index.add([make_document(f"hash tables, part {number}")])
        return len(index.search("hash tables"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(search, range(60))) == {1}


def test_threads_that_wait_share_one_reading(
    index: AssignmentIndex, make_document: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six searches after a change do not read the index six times, one after the other."""
    read, readings = rows.snapshot, []

    def slowly(store: rows.Stored) -> rows.Contents:
        readings.append(store)
        time.sleep(0.2)
        return read(store)

    index.add([make_document("hash tables")])
    monkeypatch.setattr(rows, "snapshot", slowly)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(index.search, ["hash tables"] * 6))
    assert all(found)
    assert len(readings) == 1


def test_index_survives_a_folder_that_was_deleted(
    tmp_path: Path, index: AssignmentIndex, make_document: Make
) -> None:
    """A deleted index is an empty one."""
    index.add([make_document("recursion")])
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(IndexMissingError):
        index.search("recursion")


def test_examples_are_indexed_and_adding_them_again_changes_nothing(index: AssignmentIndex) -> None:
    """The past assignments that come with the product are in order."""
    if (found := len(list(EXAMPLES.glob("*.md")))) < 24:
        pytest.skip(f"{EXAMPLES} holds {found} of at least 24 past assignments")
    first = index.add(read_documents(EXAMPLES))
    second = index.add(read_documents(EXAMPLES))
    assert first.added == second.unchanged == index.stats().documents >= 24
    assert (second.added, second.changed, second.chunks) == (0, 0, 0)
