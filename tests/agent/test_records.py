"""The records, on every database they have to run on: one spec, SQLite and PostgreSQL."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from agent.database import Database, utc_now
from agent.errors import NotFoundError, StorageError
from agent.insight.usage import daily_usage
from agent.privacy.owner import Owner
from agent.recording.outbox import OutboxRow
from agent.recording.run_store import Changes
from agent.recording.writer import Writer
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.insight.test_usage import call


@pytest.fixture
def stores(records_url: str) -> Iterator[Stores]:
    """The stores of one database."""
    opened = Stores.open(Settings(database_url=records_url))
    for user_id in ("u", "u1", "u2"):
        opened.vault.keys.admit(user_id)
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


def started(**changes: Any) -> dict[str, Any]:
    """Make the row of a request that has started."""
    run_id = str(uuid.uuid4())
    return {**call(0), "run_id": run_id, "root_run_id": run_id, "status": "started", **changes}


def outbox(stores: Stores, run_id: str) -> list[OutboxRow]:
    """Return the entries of a run."""
    with stores.database.read() as session:
        wanted = select(OutboxRow).where(OutboxRow.subject_id == run_id)
        return list(session.scalars(wanted))


def test_values_come_back_as_they_were_when_written(stores: Stores) -> None:
    """Structures, large numbers and every script; what is unknown is NULL and no JSON null."""
    values = {
        "cost_nano_usd": 2**62,
        "usage_details": {"input_token_details": {"cache_read": 8}, "ß": [1.5, None, "日本"]},
        "message_roles": [["system", 812], ["human", 44]],
        "prompt": "naïve \U0001f600 'quoted' %s :name",
        "tags": None,
    }
    one, many = started(**values), started(**values, paused=True)
    stores.runs.write(Changes(starts={row["run_id"]: row for row in (one, many)}))
    run = stores.runs.get(many["run_id"])
    assert run is not None
    assert {name: getattr(run, name) for name in values} == values
    assert run.paused is True
    with stores.database.read() as session:
        unknown = text("SELECT count(*) FROM runs WHERE run_id = :id AND tags IS NULL")
        assert session.scalar(unknown, {"id": one["run_id"]}) == 1


def test_ends_of_every_kind_are_written_when_they_share_a_transaction(stores: Stores) -> None:
    """Each run gets its own values, and what a fill brings goes where nothing stands yet."""
    rows = [started(prompt_type=None), started(prompt_type="planning"), started(prompt_type=None)]
    ids = [str(row["run_id"]) for row in rows]
    stores.runs.write(Changes(starts=dict(zip(ids, rows, strict=True))))
    ends = {
        ids[0]: {"user_id": "u", "status": "done", "response": "A map."},
        ids[1]: {"status": "error", "error": "RuntimeError"},
        ids[2]: {"user_id": "u", "status": "done", "response": "A list."},
    }
    fills = [(run_id, {"prompt_type": "chat"}) for run_id in ids[:2]]
    stores.runs.write(Changes(ends=ends, fills=fills, to_send=ids[:2]))
    runs = [stores.runs.get(run_id) for run_id in ids]
    assert [
        (run and run.status, run and run.response, run and run.prompt_type) for run in runs
    ] == [
        ("done", "A map.", "chat"),
        ("error", None, "planning"),
        ("done", "A list.", None),
    ]
    assert [len(outbox(stores, run_id)) for run_id in ids] == [1, 1, 0]


def test_nothing_is_written_when_one_row_is_refused(stores: Stores) -> None:
    """A group is there as a whole, with its entries in the outbox, or not at all."""
    good, bad = started(), started(user_id=None)
    changes = Changes(starts={row["run_id"]: row for row in (good, bad)}, to_send=[good["run_id"]])
    with pytest.raises(IntegrityError):
        stores.runs.write(changes)
    assert stores.runs.get(good["run_id"]) is None
    assert outbox(stores, good["run_id"]) == []


def test_others_are_written_when_the_writer_has_a_bad_row(stores: Stores) -> None:
    """A text that a database does not take is left out; whoever waits for less is told."""
    good, without_text, bad = started(), started(prompt="a \ud800"), started(user_id=None)
    writer = Writer(stores.runs)
    for row in (good, without_text):
        writer.submit(lambda changes, row=row: changes.start(row))  # type: ignore[misc]  # its row
    writer.wait()
    writer.submit(lambda changes: changes.start(bad))
    with pytest.raises(StorageError, match="1 runs could not be recorded"):
        writer.wait()
    writer.close()
    kept = stores.runs.get(without_text["run_id"])
    assert kept is not None
    assert (kept.prompt, kept.input_tokens) == (None, 100)
    assert stores.runs.get(good["run_id"]) is not None
    assert stores.runs.get(bad["run_id"]) is None


def test_outbox_has_one_entry_when_a_run_is_queued_again(stores: Stores) -> None:
    """It counts as changed, and what was set aside is tried again."""
    row = started(status="done")
    run_id = str(row["run_id"])
    stores.runs.write(Changes(starts={run_id: row}, to_send=[run_id, run_id]))
    (before,) = outbox(stores, run_id)
    with stores.database.begin() as session:
        session.get_one(OutboxRow, before.entry).parked_at = utc_now()
    stores.runs.write(Changes(to_send=[run_id]))
    (after,) = outbox(stores, run_id)
    assert after.entry == before.entry
    assert after.queued_at > before.queued_at
    assert after.parked_at is None


def test_tree_is_in_order_when_read(stores: Stores) -> None:
    """Each run comes before those below it; the model calls are found by their request."""
    root = started(run_type="chain", dotted_order="1")
    below = [
        started(root_run_id=root["run_id"], run_type=kind, dotted_order=f"1.{order}")
        for order, kind in ((2, "llm"), (1, "retriever"))
    ]
    rows = [*below, root]
    stores.runs.write(Changes(starts={row["run_id"]: row for row in rows}))
    assert [run.run_type for run in stores.runs.tree(root["run_id"])] == [
        "chain", "retriever", "llm",
    ]  # fmt: skip
    assert [run.run_id for run in stores.runs.of_root(root["run_id"])] == [below[0]["run_id"]]


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
    stores.vault.keys.admit(owner.user_id)
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
