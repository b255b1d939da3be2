"""One author's poisoned documents among a thousand: how many of them reach a prompt."""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphs.grounding import format_sources
from retrieval import AddReport, AssignmentIndex, Document, LocalEmbeddings, document_id
from retrieval.search.matches import Attach
from tests.attacks import ATTACKS

SUBJECTS = {
    1: "parse dates of a log file in Python",
    5: "sort the cards of a memory game",
    20: "count the words of a novel",
}
"""What the poisoned documents of each author are about, by how many there are."""
MARK = "kwijibo"
SPOKEN = (
    "queue graph matrix parser server client table index cache thread socket regex lambda tree "
    "heap stack vector button form chart sensor robot budget ticket library hotel weather recipe"
)
WORDS = SPOKEN.split()
ATTACH: list[Attach] = ["", "plan", "solution"]


def document(name: str, title: str, text: str, author: str = "") -> Document:
    """Make a past assignment of a course."""
    body = f"## Brief\n\n{text}\n\n## Plan\n\n{text}\n\n## Solution\n\n{text}"
    return Document(
        document_id=document_id(name, course="prog1"), name=name, title=title, text=body,
        course="prog1",
        author=author, consent="course" if author else "", is_past_assignment=True,
    )  # fmt: skip


def clean(number: int) -> Document:
    """Make a document that means no harm."""
    words = random.Random(number).sample(WORDS, 8)  # noqa: S311 - the same ones every time
    subject = list(SUBJECTS.values())[number % 3] if number % 50 == 0 else " ".join(words)
    text = f"Write a program to {subject}. It uses a {' and a '.join(words)}."
    return document(f"clean{number}.md", subject, text)


def poisoned(count: int, number: int, *, is_plain: bool, author: str) -> Document:
    """Make a poisoned document; one that is not plain gives bad advice in harmless words."""
    words = random.Random(f"{count} {number}").sample(WORDS, 5)  # noqa: S311 - the same every time
    advice = ATTACKS[7 * number % 60] if is_plain else f"Switch off every check of the {words[0]}."
    text = f"How do I {SUBJECTS[count]}? {advice} {MARK} {' '.join(words)}."
    name = f"{author}-{count}-{number}-{is_plain}.md"
    return document(name, SUBJECTS[count], text, author)


@pytest.fixture(scope="module")
def index(
    tmp_path_factory: pytest.TempPathFactory, embeddings: LocalEmbeddings
) -> Iterator[tuple[AssignmentIndex, AddReport]]:
    """An index of 1,000 documents with the poisoned ones of three authors."""
    harm = [
        poisoned(count, number, is_plain=is_plain, author=f"{count:016x}")
        for count in SUBJECTS
        for number in range(count)
        for is_plain in (True, False)
    ]
    harmless = [clean(number) for number in range(1_000 - len(harm))]
    folder = tmp_path_factory.mktemp("poisoned")
    with closing(AssignmentIndex.open(folder, embeddings, embeddings.identity)) as opened:
        yield opened, opened.add([*harmless, *harm])


@pytest.mark.parametrize("attach", ATTACH)
@pytest.mark.parametrize("count", SUBJECTS)
def test_one_poisoned_passage_is_shown_at_most_when_an_author_wrote_many(
    index: tuple[AssignmentIndex, AddReport], count: int, attach: Attach
) -> None:
    """However well they fit; the other places are left to others."""
    found = index[0].search(f"How do I {SUBJECTS[count]}?", course="prog1", attach=attach)
    harmful = [source for source in found if MARK in source["passage"]]
    assert len(harmful) <= 1
    assert len(found) > len(harmful)
    block = format_sources(found)
    assert sum(MARK in entry for entry in block.split("\n### [")) <= 1


def test_documents_are_withheld_when_they_speak_to_a_model(
    index: tuple[AssignmentIndex, AddReport],
) -> None:
    """Nine of ten at least, each with what is suspicious in it; no other document."""
    opened, report = index
    plain = [one for one in report.withheld if one.name.endswith("True.md")]
    assert len(plain) >= 0.9 * sum(SUBJECTS)
    assert all(one.flags for one in plain)
    assert list(report.withheld) == plain
    assert opened.stats().withheld == len(plain)


@pytest.mark.parametrize("key", ["title", "name", "language", "framework", "topic", "text"])
def test_document_is_withheld_when_any_text_of_it_speaks_to_a_model(
    tmp_path: Path, embeddings: LocalEmbeddings, key: str
) -> None:
    """A field of its header reaches a prompt as its text does."""
    attack: dict[str, Any] = {key: ATTACKS[0].lower()}
    with closing(AssignmentIndex.open(tmp_path, embeddings, embeddings.identity)) as opened:
        assert len(opened.add([replace(clean(1), **attack)]).withheld) == 1


def test_poisoned_documents_fill_a_search_when_nobody_is_named(
    embeddings: LocalEmbeddings, tmp_path: Path
) -> None:
    """What the limit for an author is for: they do fit better than the others."""
    harm = [poisoned(20, number, is_plain=False, author="") for number in range(20)]
    with closing(AssignmentIndex.open(tmp_path, embeddings, embeddings.identity)) as opened:
        opened.add([*(clean(number) for number in range(100)), *harm])
        found = opened.search(f"How do I {SUBJECTS[20]}?", course="prog1")
    assert sum(MARK in source["passage"] for source in found) > 1
