"""Tables whose texts are sealed: what stands in the database, and what readers get of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from agent.database import Database
from agent.errors import DamagedError, ErasedError, SettingsError
from agent.insight.feedback import FeedbackLedger
from agent.privacy.owner import Owner
from agent.privacy.sealing import open_values, seal_values
from agent.recording.run_store import NOBODYS, TEXTS, Run, RunStore
from agent.settings import Settings
from agent.stores import Stores

MARK = "swordfish"
ANN, BOB = Owner("ann"), Owner("bob")


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """Stores that know Ann and Bob."""
    opened = Stores.open(settings)
    for owner in (ANN, BOB):
        opened.vault.keys.admit(owner.user_id)
    yield opened
    opened.close()


def run_of(run_id: str, user_id: str, **changes: Any) -> dict[str, Any]:
    """Make the row of a call with every text there can be."""
    return {
        **dict.fromkeys(Run.__table__.columns.keys()),
        "run_id": run_id,
        "root_run_id": run_id,
        "run_type": "llm",
        "name": "llm",
        "status": "done",
        "started_at": "2026-11-22T12:00:00.000000Z",
        "user_id": user_id,
        "content": "kept",
        "prompt": f"{MARK} prompt of {run_id}",
        "response": f"{MARK} response",
        "inputs": f'{{"{MARK}": 1}}',
        "outputs": f'["{MARK}"]',
        "left_out": [f"{MARK} assignment"],
        "tags": [MARK],
        "attributes": {MARK: MARK},
        **changes,
    }


def cell(stores: Stores, table: str, column: str, where: str) -> Any:
    """Return a cell as it is stored."""
    with stores.database.read() as session:
        return session.scalar(text(f"SELECT {column} FROM {table} WHERE {where}"))  # noqa: S608 - the test's own words


def put(stores: Stores, table: str, column: str, where: str, value: Any) -> None:
    """Write a cell as somebody does who can write to the database."""
    with stores.database.begin() as session:
        statement = text(f"UPDATE {table} SET {column} = :value WHERE {where}")  # noqa: S608 - the test's own words
        session.execute(statement, {"value": value})


def test_run_is_sealed_when_written_and_open_when_read(stores: Stores) -> None:
    """Every column of text, those of JSON too; the figures stay for queries."""
    stores.runs.start(run_of("r1", "ann", input_tokens=7))
    for column in TEXTS:
        stored = cell(stores, "runs", column, "run_id = 'r1'")
        assert "gcm1." in stored[:7]
        assert MARK not in stored
    found = stores.runs.get("r1")
    assert found is not None
    wanted = run_of("r1", "ann", input_tokens=7)
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_run_is_sealed_when_settled_later(stores: Stores) -> None:
    """Its end comes as values of its own."""
    stores.runs.start(run_of("r1", "ann", status="started", response=None))
    stores.runs.settle("r1", {"user_id": "ann", "status": "done", "response": f"{MARK} late"})
    assert MARK not in cell(stores, "runs", "response", "run_id = 'r1'")
    found = stores.runs.get("r1")
    assert found is not None
    assert found.response == f"{MARK} late"


def test_figures_are_kept_when_the_person_is_erased_meanwhile(stores: Stores) -> None:
    """A request that is still running leaves its cost and nothing of the person."""
    stores.vault.keys.destroy("ann")
    stores.runs.start(run_of("r1", "ann", input_tokens=7))
    found = stores.runs.get("r1")
    assert found is not None
    assert {name: getattr(found, name) for name in NOBODYS} == NOBODYS
    assert found.input_tokens == 7


def test_assignment_is_sealed_when_written_changed_and_read(stores: Stores) -> None:
    """Whoever wrote it goes on with the open texts, also in the same transaction."""
    plan = {"tasks": [MARK], "n": 1}
    number = stores.assignments.add(ANN, title=f"{MARK} title", brief=f"{MARK} brief")
    stores.assignments.keep_plan(ANN, number, plan)
    stores.assignments.keep_draft(ANN, number, f"{MARK} draft")
    for column in ("title", "brief", "plan", "draft"):
        assert MARK not in cell(stores, "assignments", column, f"assignment_id = '{number}'")
    row = stores.assignments.get(ANN, number)
    assert (row.title, row.brief) == (f"{MARK} title", f"{MARK} brief")
    assert (row.plan, row.draft) == (plan, f"{MARK} draft")
    assert [row.title for row in stores.assignments.all_of("ann")] == [f"{MARK} title"]


def test_assignment_is_refused_when_the_person_was_erased(stores: Stores) -> None:
    """Nothing is written for them, and what was written is gone."""
    number = stores.assignments.add(ANN, title="t", brief="b")
    stores.vault.keys.destroy("ann")
    with pytest.raises(ErasedError):
        stores.assignments.get(ANN, number)
    with pytest.raises(ErasedError):
        stores.assignments.add(ANN, title="t", brief="b")


def test_comment_is_sealed_when_given(stores: Stores) -> None:
    """Feedback has a key of two columns."""
    stores.runs.start(run_of("r1", "ann"))
    ledger = FeedbackLedger(stores.database)
    given = ledger.give("r1", "ann", "positive", 5, MARK, keep_comment=True)
    assert given.comment == MARK
    again = ledger.give("r1", "ann", "negative", 1, f"{MARK} 2", keep_comment=True)
    assert again.comment == f"{MARK} 2"
    assert MARK not in cell(stores, "feedback", "comment", "run_id = 'r1'")
    assert [said.comment for said in ledger.of_run("r1")] == [f"{MARK} 2"]


def test_values_come_back_when_sealed_and_opened_by_hand(stores: Stores) -> None:
    """Whoever writes past the objects has the same seal."""
    row = run_of("r1", "ann")
    sealed = seal_values(stores.database, Run, "r1", row)
    assert MARK not in str({name: sealed[name] for name in TEXTS})
    assert open_values(stores.database, Run, "r1", sealed) == row
    assert open_values(stores.database, Run, "r2", sealed)["content"] == "damaged"
    assert row == run_of("r1", "ann")


def test_text_stands_in_clear_when_there_is_no_vault(tmp_path: Any) -> None:
    """The control: what these tests look for would be found."""
    database = Database.open(f"sqlite:///{tmp_path / 'clear.db'}")
    RunStore(database).start(run_of("r1", "ann"))
    with database.read() as session:
        row = session.execute(text("SELECT * FROM runs")).one()._mapping  # SQLAlchemy's public name
    assert all(MARK in row[column] for column in TEXTS)
    database.close()


def test_runs_text_is_withheld_when_it_was_tampered_with(stores: Stores) -> None:
    """Swapped with another column, row or person, cut, changed, or put there in clear."""
    for run_id, user_id in (("r1", "ann"), ("r2", "ann"), ("r3", "bob")):
        stores.runs.start(run_of(run_id, user_id))
    own = {name: cell(stores, "runs", name, "run_id = 'r1'") for name in TEXTS}
    for column in TEXTS:
        foreign = [cell(stores, "runs", column, f"run_id = '{other}'") for other in ("r2", "r3")]
        swapped = next(value for name, value in own.items() if name != column)
        is_json = own[column].startswith('"')
        clear = '["planted"]' if is_json else "planted"
        changed = [f"{own[column][:-9]}AAAAAAA{own[column][-2:]}"]
        changed += [own[column][:-4], own[column][:30], ""]
        for value in (*foreign, *changed, swapped if not is_json else foreign[0], clear):
            put(stores, "runs", column, "run_id = 'r1'", value)
            found = stores.runs.get("r1")
            assert found is not None
            assert (found.content, [getattr(found, name) for name in TEXTS]) == (
                "damaged",
                [None] * len(TEXTS),
            )
        put(stores, "runs", column, "run_id = 'r1'", own[column])
    assert [run.content for run in stores.runs.latest(9)] == ["kept"] * 3


def test_runs_text_is_withheld_when_the_row_was_given_to_another(stores: Stores) -> None:
    """Whose a text is cannot be changed, nor which run's."""
    stores.runs.start(run_of("r1", "ann"))
    put(stores, "runs", "user_id", "run_id = 'r1'", "bob")
    found = stores.runs.get("r1")
    assert found is not None
    assert (found.content, found.prompt) == ("damaged", None)
    put(stores, "runs", "user_id", "run_id = 'r1'", "ann")
    put(stores, "runs", "run_id", "run_id = 'r1'", "r9")
    found = stores.runs.get("r9")
    assert found is not None
    assert (found.content, found.prompt) == ("damaged", None)


@pytest.mark.parametrize("column", ["title", "brief", "plan", "draft"])
def test_assignment_is_refused_when_it_was_tampered_with(stores: Stores, column: str) -> None:
    """A table without a column that says why raises."""
    numbers = [stores.assignments.add(owner, title="t", brief="b") for owner in (ANN, ANN, BOB)]
    for owner, number in zip((ANN, ANN, BOB), numbers, strict=True):
        stores.assignments.keep_plan(owner, number, {"tasks": []})
        stores.assignments.keep_draft(owner, number, "d")
    mine, *others = (f"assignment_id = '{number}'" for number in numbers)
    own = cell(stores, "assignments", column, mine)
    foreign = [cell(stores, "assignments", column, where) for where in others]
    for value in (*foreign, '{"tasks": []}', own.replace("gcm1.", "gcm2."), own[:-3] + own[-1:]):
        put(stores, "assignments", column, mine, value)
        with pytest.raises(DamagedError):
            stores.assignments.get(ANN, numbers[0])
        assert stores.assignments.get(BOB, numbers[2]).title == "t"
    put(stores, "assignments", column, mine, own)
    assert stores.assignments.get(ANN, numbers[0]).title == "t"


def test_comment_is_refused_when_it_was_tampered_with(stores: Stores) -> None:
    """Swapped between two requests, or put there in clear."""
    ledger = FeedbackLedger(stores.database)
    for run_id in ("r1", "r2"):
        stores.runs.start(run_of(run_id, "ann"))
        ledger.give(run_id, "ann", "positive", 5, run_id, keep_comment=True)
    foreign = cell(stores, "feedback", "comment", "run_id = 'r2'")
    for value in (foreign, foreign[:20], "in clear"):
        put(stores, "feedback", "comment", "run_id = 'r1'", value)
        with pytest.raises(DamagedError):
            ledger.of_run("r1")


def test_older_text_is_taken_when_it_is_put_back(stores: Stores) -> None:
    """The limit of a seal on each cell: what stood in the very same cell before opens."""
    number = stores.assignments.add(ANN, title="t", brief="b")
    where = f"assignment_id = '{number}'"
    stores.assignments.keep_draft(ANN, number, "first")
    first = cell(stores, "assignments", "draft", where)
    stores.assignments.keep_draft(ANN, number, "second")
    put(stores, "assignments", "draft", where, first)
    assert stores.assignments.get(ANN, number).draft == "first"


def test_start_is_refused_when_peoples_keys_are_lost(settings: Settings) -> None:
    """Sealed texts without any key are not passed over in silence."""
    stores = Stores.open(settings)
    stores.assignments.add(Owner(stores.user_id), title="t", brief="b")
    stores.close()
    for path in settings.data_dir.glob("keys.db*"):
        path.unlink()
    for _ in range(2):
        with pytest.raises(SettingsError, match="assist keys restore BACKUP"):
            Stores.open(settings)


def test_start_is_refused_when_only_json_was_sealed(settings: Settings) -> None:
    """A column of JSON holds what is sealed in quotes."""
    stores = Stores.open(settings)
    texts = dict.fromkeys(TEXTS) | {"tags": ["t"]}
    stores.runs.start(run_of("r1", stores.user_id, **texts))
    stores.close()
    for path in settings.data_dir.glob("keys.db*"):
        path.unlink()
    with pytest.raises(SettingsError, match="records hold what was sealed"):
        Stores.open(settings)


def test_start_goes_on_when_nothing_was_sealed(settings: Settings) -> None:
    """Without sealed texts new keys do no harm."""
    Stores.open(settings).close()
    for path in settings.data_dir.glob("keys.db*"):
        path.unlink()
    Stores.open(settings).close()


def test_backup_of_records_gives_nothing_when_the_key_was_destroyed(
    settings: Settings, stores: Stores
) -> None:
    """Yesterday's records stand there again, and stay shut."""
    stores.runs.start(run_of("r1", "ann"))
    stores.runs.start(run_of("r2", "bob"))
    number = stores.assignments.add(ANN, title=MARK, brief=MARK)
    with stores.database.engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yesterday = (settings.data_dir / "records.db").read_bytes()
    stores.vault.keys.destroy("ann")
    stores.database.close()
    for path in settings.data_dir.glob("records.db*"):
        path.unlink()
    (settings.data_dir / "records.db").write_bytes(yesterday)
    with_backup = Stores.open(settings)
    run, other = with_backup.runs.get("r1"), with_backup.runs.get("r2")
    assert run is not None
    assert other is not None
    assert (run.content, [getattr(run, name) for name in TEXTS]) == ("erased", [None] * len(TEXTS))
    assert other.prompt == f"{MARK} prompt of r2"
    with pytest.raises(ErasedError):
        with_backup.assignments.get(ANN, number)
    with_backup.close()
