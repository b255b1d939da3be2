"""Reading the record's content: pages that lose nothing, and an entry for each person."""

from collections.abc import Iterator

import pytest

from agent.errors import InputError
from agent.insight import interactions
from agent.insight.interactions import note_reading, read_interactions
from agent.privacy.access import Caller, local_caller
from agent.recording.run_store import Run
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.insight.test_usage import call

TEACHER = Caller("teacher-1", "tess", "teacher", ("prog1",))
REASON = "Complaint 17 of 3 March"


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """Calls of two people in turn, four of them in one moment, and one of another course."""
    opened = Stores.open(settings)
    for person in ("ada", "ben", "eve"):
        opened.vault.keys.admit(person)
    for number in range(8):
        moment = f"2026-11-22T10:00:{max(number - 3, 0):02}.000000Z"
        person = "ben" if number % 2 else "ada"
        opened.runs.start(call(number, user_id=person, course="prog1", started_at=moment))
    opened.runs.start(call(9, user_id="eve", course="prog2"))
    yield opened
    opened.close()


def read(stores: Stores, user_id: str | None = None, **wanted: str | int) -> list[str]:
    """Read in prog1, and return the ids."""
    before, limit = wanted.get("before"), wanted.get("limit", interactions.MOST)
    found = read_interactions(
        stores,
        TEACHER,
        door="http",
        course="prog1",
        user_id=user_id,
        reason=REASON,
        before=None if before is None else str(before),
        limit=int(limit),
    )
    return [one["metadata"]["run_id"] for one in found]


def noted(stores: Stores, subject: str | None = None) -> list[tuple[str | None, list[str]]]:
    """Return whose content the audit log names, and the ids; newest first."""
    return [(entry.subject, entry.ids) for entry in stores.audit.list(None, subject=subject)]


def test_reading_is_found_by_each_person_when_it_is_of_a_course(stores: Stores) -> None:
    """One entry a person with their ids alone; together they are what was read."""
    assert read(stores) == ["7", "6", "5", "4", "3", "2", "1", "0"]
    assert noted(stores, "ada") == [("ada", ["6", "4", "2", "0"])]
    assert noted(stores, "ben") == [("ben", ["7", "5", "3", "1"])]
    assert len(noted(stores)) == 2
    kept = {(one.reader, one.course, one.reason) for one in stores.audit.list(None)}
    assert kept == {("teacher-1", "prog1", REASON)}
    assert stores.audit.verify().intact


def test_reading_leaves_one_entry_when_it_found_nothing(stores: Stores) -> None:
    """That somebody looked is kept too, under the person they looked for."""
    assert read(stores, "nobody") == []
    assert noted(stores) == [("nobody", [])]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_no_call_is_lost_when_a_page_ends_among_those_of_one_moment(
    stores: Stores, limit: int
) -> None:
    """The pages hold every call once, in one order, and so do their entries."""
    ids = page = read(stores, limit=limit)
    while len(page) == limit:
        page = read(stores, limit=limit, before=ids[-1])
        ids = ids + page
    assert ids == ["7", "6", "5", "4", "3", "2", "1", "0"]
    entries = [one for _, some in noted(stores) for one in some]
    assert sorted(entries) == sorted(ids)


@pytest.mark.parametrize(("before", "user_id"), [("nope", None), ("9", None), ("7", "ada")])
def test_page_is_refused_when_it_follows_a_call_from_elsewhere(
    stores: Stores, before: str, user_id: str | None
) -> None:
    """An unknown call, another course's and another person's are refused in the same words."""
    with pytest.raises(InputError, match=f"^before: '{before}' is not a call among those that"):
        read(stores, user_id, before=before)
    assert noted(stores) == []


def test_local_reading_is_found_by_each_person_when_noted(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that no single entry can name; in one transaction, and none for no content."""
    monkeypatch.setattr(interactions, "MOST", 3)
    reader = local_caller(stores.user_id)
    note_reading(stores, reader, [], door="terminal")
    assert noted(stores) == []
    note_reading(stores, reader, stores.runs.oldest_first(), door="terminal")
    assert noted(stores, "ada") == [("ada", ["6"]), ("ada", ["0", "2", "4"])]
    assert noted(stores, "eve") == [("eve", ["9"])]
    before = len(noted(stores))
    wrong = [Run(**call(10, user_id="ada")), Run(**call(11, user_id="two\nlines"))]
    with pytest.raises(InputError, match="one line"):
        note_reading(stores, reader, wrong, door="terminal")
    assert len(noted(stores)) == before
