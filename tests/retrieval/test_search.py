"""Searching: what is found, who sees it, and what is handed over beside it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retrieval import (
    AssignmentIndex,
    Document,
    IndexMissingError,
    LocalEmbeddings,
    read_documents,
)

Make = Callable[..., Document]
EXAMPLES = Path(__file__).parents[2] / "examples" / "past-assignments"


@pytest.fixture(scope="module")
def examples(
    tmp_path_factory: pytest.TempPathFactory, embeddings: LocalEmbeddings
) -> Iterator[AssignmentIndex]:
    """Index the past assignments that come with the product."""
    if (found := len(list(EXAMPLES.glob("*.md")))) < 24:
        pytest.skip(f"{EXAMPLES} holds {found} of at least 24 past assignments")
    folder = tmp_path_factory.mktemp("index")
    with closing(AssignmentIndex.open(folder, embeddings, embeddings.identity)) as index:
        index.add(read_documents(EXAMPLES))
        yield index


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("JWT authentication in FastAPI", "fastapi-student-records-api.md"),
        ("how do I crawl links with asyncio", "asyncio-web-crawler.md"),
        ("k nearest neighbours classifier in numpy", "knn-image-classifier-numpy.md"),
        ("clean sales data with pandas groupby", "pandas-sales-analysis.md"),
    ],
)
def test_related_question_finds_its_assignment_first(
    examples: AssignmentIndex, query: str, name: str
) -> None:
    """A question about a past assignment leads to it."""
    first, *rest = examples.search(query)
    assert first["place"].startswith(f"{name}, ")
    assert first["score"] >= max((source["score"] for source in rest), default=0)


@pytest.mark.parametrize(
    "query",
    [
        "best recipe for banana bread",
        "the history of the Roman empire",
        "symptoms of the flu",
        "who won the football world cup",
        "thanks",
    ],
)
def test_unrelated_question_finds_nothing(examples: AssignmentIndex, query: str) -> None:
    """What has nothing to do with programming is not answered with sources."""
    assert examples.search(query) == []


def test_sources_are_numbered_and_plain(examples: AssignmentIndex) -> None:
    """Sources stand in a checkpoint, so they are plain data, best first."""
    sources = examples.search("write tests for a web service in Python", limit=6)
    assert [source["number"] for source in sources] == [1, 2, 3, 4, 5, 6]
    scores = [source["score"] for source in sources]
    assert scores == sorted(scores, reverse=True)
    assert json.loads(json.dumps(sources)) == sources


def test_assignment_finds_itself_with_score_near_one(
    index: AssignmentIndex, make_document: Make
) -> None:
    """The score is the cosine."""
    index.add([make_document("Sort a list.", name="Sort a list.md")])
    (source,) = index.search("Sort a list\nSort a list.")
    assert 0.99 < source["score"] <= 1.0


def test_search_before_anything_is_indexed(index: AssignmentIndex) -> None:
    """The remedy is named."""
    with pytest.raises(IndexMissingError, match=r"Nothing is indexed yet\. Run: assist index add"):
        index.search("anything")


def test_course_sees_its_own_and_the_shared_documents(
    index: AssignmentIndex, make_document: Make
) -> None:
    """No course sees another's, and nobody's course sees only what is shared."""
    for course in ("", "cs1", "cs2"):
        index.add([make_document(f"linked list of {course}", course=course)])
    seen = {
        course: {source["passage"] for source in index.search("linked list", course=course)}
        for course in ("", "cs1", "cs3", "cs1' OR 1")
    }
    assert seen[""] == seen["cs3"] == seen["cs1' OR 1"] == {"linked list of"}
    assert seen["cs1"] == {"linked list of", "linked list of cs1"}


def test_search_when_no_document_is_visible(index: AssignmentIndex, make_document: Make) -> None:
    """An index that holds other courses only answers with nothing, not with an error."""
    index.add([make_document("linked list", course="cs1")])
    assert index.search("linked list") == []


def test_attached_plan_comes_once_a_document(index: AssignmentIndex, past_assignment: Path) -> None:
    """The match is in the brief; the plan table is handed over whole."""
    index.add(read_documents(past_assignment))
    (source,) = index.search("a Python service that lends books", attach="plan")
    assert (source["section"], source["solution"]) == ("brief", "")
    assert source["plan"].startswith("| id | task_type |")
    assert source["plan"].endswith("| - |")


def test_attached_solution_comes_once_a_document(
    index: AssignmentIndex, past_assignment: Path, make_document: Make
) -> None:
    """A document without a solution is found too."""
    index.add([*read_documents(past_assignment), make_document("check a token in one place")])
    sources = index.search("check a token in one place", attach="solution")
    solutions = {source["title"]: source["solution"] for source in sources}
    assert solutions["notes"] == ""
    assert solutions["Library API"].startswith("Check the token")
    assert solutions["Library API"].endswith("constant time.")
    assert all(source["plan"] == "" for source in sources)


def test_attached_plan_in_pieces_is_put_together(
    index: AssignmentIndex, make_document: Make
) -> None:
    """A plan longer than a chunk comes back word for word."""
    plan = "\n".join(f"| t{n} | implement part {n} of the sorting lab | - |" for n in range(300))
    text = f"## Brief\n\nThe sorting lab.\n\n## Plan\n\n{plan}\n"
    index.add([make_document(text, past=True)])
    (source,) = index.search("sorting lab", attach="plan")
    assert source["plan"] == plan


def test_question_finds_no_plan_table_and_two_passages_a_document(
    index: AssignmentIndex, past_assignment: Path
) -> None:
    """A table is no answer, and one document does not fill the list."""
    index.add(read_documents(past_assignment))
    sources = index.search("create the package: library API in python with a token")
    assert len(sources) == 2
    assert {source["document_id"] for source in sources} == {sources[0]["document_id"]}
    assert all(source["section"] != "plan" for source in sources)
    assert all(source["plan"] == source["solution"] == "" for source in sources)


def test_document_of_many_passages_does_not_crowd_out_others(
    index: AssignmentIndex, make_document: Make
) -> None:
    """The search goes on until enough documents are found."""
    crowd = "\n\n".join(f"# Part {n}\n\n{'binary tree insertion ' * 40}" for n in range(80))
    index.add([make_document(crowd, name="crowd.md"), make_document("a binary tree of files")])
    places = [source["place"].partition(",")[0] for source in index.search("binary tree insertion")]
    assert places.count("crowd.md") == 2
    assert "notes.md" in places


def test_same_passage_is_quoted_once(index: AssignmentIndex, make_document: Make) -> None:
    """A document that is both shared and in a course is one source."""
    index.add([make_document("hash tables"), make_document("hash tables", course="cs1")])
    assert len(index.search("hash tables", course="cs1")) == 1


@pytest.mark.parametrize("query", ["", " \n", "\0"])
def test_empty_query_finds_nothing(index: AssignmentIndex, make_document: Make, query: str) -> None:
    """Without a word there is nothing to look for."""
    index.add([make_document("hash tables")])
    assert index.search(query) == []
    assert index.search("hash tables", limit=0) == []


@pytest.mark.parametrize(
    "query", ["hash tables " * 90_000, "x" * 1_000_000, "hash \ud800 tables", "' OR 1=1 --"]
)
def test_any_query_is_answered(index: AssignmentIndex, make_document: Make, query: str) -> None:
    """A whole assignment, a broken character or an attack is only text."""
    index.add([make_document("hash tables")])
    assert len(index.search(query)) == ("hash" in query)


def test_query_without_a_direction_finds_nothing(tmp_path: Path, make_document: Make) -> None:
    """A vector of zeros has no cosine."""

    class Zeros(LocalEmbeddings):
        def embed_query(self, text: str) -> list[float]:
            return [0.0 for _ in range(256 if text else 0)]

    with closing(AssignmentIndex.open(tmp_path, Zeros(), "zeros")) as index:
        index.add([make_document("hash tables")])
        assert index.search("hash tables") == []
