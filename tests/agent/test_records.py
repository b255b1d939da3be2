"""The records, on every database they have to run on: one spec, SQLite and PostgreSQL."""

import uuid
from collections.abc import Iterator

import pytest

from agent.database import Database, utc_now
from agent.errors import NotFoundError
from agent.insight.usage import daily_usage
from agent.privacy.owner import Owner
from agent.recording.run_store import Changes
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.insight.test_usage import call


@pytest.fixture
def stores(records_url: str) -> Iterator[Stores]:
    """The stores of one database."""
    opened = Stores.open(Settings(database_url=records_url))
    yield opened
    opened.close()


def test_run_is_settled_once_when_started_twice(stores: Stores) -> None:
    """A second start and a second end change nothing; what became known late is filled in."""
    run_id = str(uuid.uuid4())
    started = {**call(0), "run_id": run_id, "root_run_id": run_id, "status": "started"}
    stores.runs.start({**started, "prompt_type": None, "left_out": ["source [4]"]})
    stores.runs.start({**started, "name": "again"})
    stores.runs.settle(run_id, {"status": "done", "usage_details": {"input_tokens": 1}})
    stores.runs.settle(run_id, {"status": "error"})
    stores.runs.write(Changes(fills=[(run_id, {"prompt_type": "chat"})]))
    run = stores.runs.get(run_id)
    assert run is not None
    assert (run.name, run.status, run.prompt_type) == ("llm", "done", "chat")
    assert (run.left_out, run.usage_details) == (["source [4]"], {"input_tokens": 1})
    assert run_id in {other.run_id for other in stores.runs.oldest_first()}


def test_usage_is_counted_by_category_when_a_day_is_read(stores: Stores) -> None:
    """A call without a category is counted under `unknown`."""
    day = f"2031-01-{uuid.uuid4().int % 28 + 1:02d}"
    before = daily_usage(stores.database, day).total.count
    for kind in ("chat", None):
        run_id = str(uuid.uuid4())
        row = {**call(0), "run_id": run_id, "root_run_id": run_id, "prompt_type": kind}
        stores.runs.start({**row, "started_at": f"{day}T10:00:00.000000Z"})
    usage = daily_usage(stores.database, day)
    assert usage.total.count == before + 2
    assert {row.category for row in usage.categories} == {"chat", "unknown"}


def test_assignment_is_kept_for_its_person_alone_when_planned(stores: Stores) -> None:
    """Plan and draft are kept; a stranger's id answers like an unknown one."""
    owner, stranger = Owner(str(uuid.uuid4())), Owner(str(uuid.uuid4()))
    made = stores.assignments.add(owner, title="Lab", brief="Sort.")
    stores.assignments.keep_draft(owner, made, "no JSON")
    assert stores.assignments.get(owner, made).draft == "no JSON"
    stores.assignments.keep_plan(owner, made, {"tasks": []})
    (kept,) = stores.assignments.all_of(owner.user_id)
    assert (kept.plan, kept.draft) == ({"tasks": []}, None)
    for person, assignment_id in ((stranger, made), (owner, str(uuid.uuid4()))):
        with pytest.raises(NotFoundError, match="There is no assignment"):
            stores.assignments.get(person, assignment_id)


def test_decision_is_kept_when_consent_is_given(stores: Stores) -> None:
    """The ledger is the same on both databases."""
    person = stores.people.user_id(f"person-{utc_now()}")
    assert not stores.consent.status(person).given
    assert stores.consent.decide(person, "given", door="terminal").given


def test_schema_stays_when_the_database_is_opened_again(stores: Stores, records_url: str) -> None:
    """Migrations that have run are not run again."""
    Database.open(records_url).close()
    assert stores.runs.latest(1) is not None
