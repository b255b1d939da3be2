"""Assignments: whose they are, in which course, and whether their text may be kept."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

import agent.database
from agent.assignments import AssignmentStore
from agent.database import Database
from agent.errors import NotFoundError
from agent.privacy.owner import Owner

OLD = """INSERT INTO assignments (assignment_id, user_id, title, brief, created_at, updated_at)
VALUES ('a1', 'u1', 'Lab', 'Sort.', '2026-11-22', '2026-11-22')"""


@pytest.fixture
def store(records_url: str) -> Iterator[AssignmentStore]:
    """The assignments of one database."""
    database = Database.open(records_url)
    yield AssignmentStore(database)
    database.close()


def test_assignment_is_unknown_when_the_course_is_another(store: AssignmentStore) -> None:
    """It is neither read nor changed from there, and its person still has it."""
    person = str(uuid4())
    here, elsewhere = Owner(person, "prog1"), (Owner(person), Owner(person, "prog2"))
    made = store.add(here, title="Lab", brief="Sort.")
    for owner in elsewhere:
        with pytest.raises(NotFoundError, match="There is no assignment"):
            store.get(owner, made)
        with pytest.raises(NotFoundError, match="There is no assignment"):
            store.keep_plan(owner, made, {"tasks": []})
    assert store.get(here, made).plan is None
    assert [row.course for row in store.all_of(person)] == ["prog1"]


@pytest.mark.parametrize(
    ("makes", "changes", "consented"),
    [(False, False, True), (True, False, False), (False, True, False), (True, True, False)],
)
def test_consent_is_noted_when_made_and_when_changed(
    store: AssignmentStore, *, makes: bool, changes: bool, consented: bool
) -> None:
    """One request that withholds its text is enough, whether it planned or failed to."""
    person = str(uuid4())
    maker, changer = Owner(person, withholds=makes), Owner(person, withholds=changes)
    planned, drafted = (store.add(maker, title="Lab", brief="Sort.") for _ in range(2))
    store.keep_plan(changer, planned, {"tasks": []})
    store.keep_draft(changer, drafted, "no JSON")
    assert {store.get(maker, made).consented for made in (planned, drafted)} == {consented}


def test_assignment_is_withheld_when_it_is_older_than_the_note(tmp_path: Path) -> None:
    """What was there before is the default course's, and nobody knows of a consent to it."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    config = Config()
    folder = Path(agent.database.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.execute(text(OLD))
    engine.dispose()
    database = Database.open(url)
    row = AssignmentStore(database).get(Owner("u1"), "a1")
    database.close()
    assert (row.course, row.consented) == ("", False)
