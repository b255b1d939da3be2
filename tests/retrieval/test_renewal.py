"""Copying an index to a new place, with its vectors or with other ones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval import IndexIdentityError, RetrievalError
from retrieval.storing.renewal import renew, writing
from retrieval.storing.rows import Contents, Entry, put, release, remove, snapshot
from retrieval.storing.store import Store
from tests.retrieval.keeping import LengthEmbeddings, entry, vectors_of

IDENTITY = "test:64"


@pytest.fixture
def entries() -> list[Entry]:
    """Return the chunks of 700 documents, more than are copied at once."""
    return [entry(f"d{n:03}", f"text {n}") for n in range(700)]


@pytest.fixture
def store(tmp_path: Path, entries: list[Entry]) -> Iterator[Store]:
    """Fill a store with them."""
    filled = Store(tmp_path / "index", IDENTITY)
    put(filled, entries, vectors_of(entries))
    yield filled
    filled.close()


def generations(tmp_path: Path) -> list[str]:
    """Return what lies in the index folder beside the locks."""
    return sorted(path.name for path in (tmp_path / "index").iterdir() if path.is_dir())


def is_same(first: Contents, second: Contents) -> bool:
    """Whether two stores hold the same, whatever their stamps are."""
    return first.entries == second.entries and np.allclose(first.vectors, second.vectors, atol=1e-6)


def test_renewed_index_holds_the_same(tmp_path: Path, store: Store) -> None:
    """Rows, texts and vectors are copied as they are, and everyone is told that it changed."""
    release(store, ["d007"])
    before, seen = snapshot(store), list[tuple[int, int]]()
    renew(store, IDENTITY, on_progress=lambda done, total: seen.append((done, total)))
    after = snapshot(Store(tmp_path / "index", IDENTITY))
    assert is_same(before, after)
    assert [one.row["document_id"] for one in after.entries if one.row["released"]] == ["d007"]
    assert after.stamp != before.stamp
    assert seen == [(512, 700), (700, 700)]
    assert generations(tmp_path) == ["v2"]
    assert (tmp_path / "index" / "v2").stat().st_mode & 0o777 == 0o700


def test_contents_come_in_the_order_of_documents_and_chunks(tmp_path: Path) -> None:
    """However they were written, every process gets the same, each with its vector."""
    written = [entry(f"d{n}", f"{n} at {at}", position=at) for n in (2, 1) for at in (10, 2, 0)]
    store = Store(tmp_path / "index", IDENTITY)
    put(store, written, vectors_of(written))
    held = snapshot(store)
    assert [one.text for one in held.entries] == [
        f"{n} at {at}" for n in (1, 2) for at in (0, 2, 10)
    ]
    assert np.allclose(held.vectors, vectors_of(held.entries), atol=1e-6)


def test_renewed_index_when_nothing_is_in_it(tmp_path: Path) -> None:
    """An empty one has an empty successor of the embedding that was asked for."""
    renew(Store(tmp_path / "index", IDENTITY), IDENTITY)
    renew(Store(tmp_path / "index"), "other:3", LengthEmbeddings())
    assert Store(tmp_path / "index").identity() == "other:3"
    assert snapshot(Store(tmp_path / "index")).entries == []


def test_renewed_index_when_the_embedding_is_another(tmp_path: Path, store: Store) -> None:
    """Who holds it open is told so at its next use."""
    before = snapshot(store)
    renew(Store(tmp_path / "index"), "length:3", LengthEmbeddings())
    after = snapshot(Store(tmp_path / "index", "length:3"))
    assert after.entries == before.entries
    assert after.vectors.shape == (700, 3)
    with pytest.raises(IndexIdentityError, match=r"built with the embedding 'length:3', but"):
        snapshot(store)


def test_old_index_answers_while_it_is_renewed(tmp_path: Path, store: Store) -> None:
    """Readers are kept waiting by no renewal, and see nothing of it before it is complete."""
    before, seen = snapshot(store), list[Contents]()

    def look(done: int, total: int) -> None:
        assert done <= total
        seen.append(snapshot(Store(tmp_path / "index", IDENTITY)))

    renew(Store(tmp_path / "index"), "length:3", LengthEmbeddings(), look)
    assert len(seen) == 2
    assert all(is_same(before, held) and held.stamp == before.stamp for held in seen)


def test_index_stays_when_its_renewal_fails(tmp_path: Path, store: Store) -> None:
    """A half copy is put in no use, and is deleted."""

    class Failing(LengthEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise RetrievalError(f"no vectors for {len(texts)} texts")

    before = snapshot(store)
    with pytest.raises(RetrievalError, match="no vectors for 512 texts"):
        renew(Store(tmp_path / "index"), "failing:1", Failing())
    assert is_same(snapshot(store), before)
    assert generations(tmp_path) == ["v1"]


def test_renewal_begins_anew_when_an_earlier_one_was_killed(tmp_path: Path, store: Store) -> None:
    """What was removed since then is in the half copy, and must not come back with it."""
    removed = [entry("removed", "removed since")]
    put(Store(tmp_path / "index", IDENTITY, generation="v2"), removed, vectors_of(removed))
    before = snapshot(store)
    renew(store, IDENTITY)
    assert is_same(snapshot(store), before)
    assert generations(tmp_path) == ["v2"]


def test_second_writer_waits_while_the_index_is_renewed(tmp_path: Path, store: Store) -> None:
    """What is written in the meantime would be lost."""
    told: list[str] = []

    def write(*_: int) -> None:
        with pytest.raises(RetrievalError, match="Wait until no other command writes") as caught:
            Store(tmp_path / "index").writing(wait_seconds=0).__enter__()
        told.append(str(caught.value))

    renew(store, IDENTITY, on_progress=write)
    assert len(told) == 2


def test_writer_deletes_what_others_left(tmp_path: Path, store: Store) -> None:
    """A killed renewal leaves its half copy; what is not ours is left alone."""
    for name in ("v2", "v7", "vectors", "notes"):
        (tmp_path / "index" / name).mkdir()
        (tmp_path / "index" / name / "some.txt").write_text("text")
    with writing(store):
        pass
    assert generations(tmp_path) == ["notes", "v1", "vectors"]


def test_writer_renews_only_when_something_was_removed(tmp_path: Path, store: Store) -> None:
    """Adding costs no copy; several removals cost one, at the end of the command."""
    with writing(store):
        new = [entry("e", "new")]
        put(store, new, vectors_of(new))
    assert generations(tmp_path) == ["v1"]
    with writing(store):
        remove(store, ["d001"])
        remove(store, ["d002"])
        changed = [entry("d003", "changed")]
        put(store, changed, vectors_of(changed), replaced=["d003"])
        assert store.owing
        assert generations(tmp_path) == ["v1"]
    assert not store.owing
    assert generations(tmp_path) == ["v2"]
    texts = {one.row["document_id"]: one.text for one in snapshot(store).entries}
    assert len(texts) == 699
    assert (texts["d003"], texts["e"]) == ("changed", "new")


def test_writer_forgets_also_when_its_command_fails(tmp_path: Path, store: Store) -> None:
    """What was replaced before the failure is gone all the same."""

    def command() -> None:
        with writing(store):
            remove(store, ["d001"])
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        command()
    assert not store.owing
    assert generations(tmp_path) == ["v2"]


def test_row_of_an_older_version_is_read(tmp_path: Path) -> None:
    """An index that was made before some fields were there is as good as another."""
    store = Store(tmp_path / "index", IDENTITY)
    new = entry("a", "text")
    kept = ("document_id", "title", "course", "section", "place", "position", "digest", "language")
    old = {key: new.row[key] for key in kept}  # type: ignore[literal-required] # each is a key
    put(store, [Entry("a:0", "text", old)], vectors_of([new]))  # type: ignore[arg-type] # on purpose
    (read,) = snapshot(store).entries
    assert (read.row["kind"], read.row["flags"], read.row["released"]) == ("assignment", "", False)
