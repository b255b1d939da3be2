"""Feedback: one for each person and request, replaced when given again, private."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

import agent
from agent.database import Database
from agent.errors import InputError, NotFoundError
from agent.insight.feedback import FeedbackLedger
from agent.recording.run_store import RunStore
from tests.agent.insight.test_usage import call

Ask = Callable[[str], tuple[str, str]]


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """The records, on each database they have to run on."""
    opened = Database.open(records_url)
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: Database) -> FeedbackLedger:
    """The ledger of that database."""
    return FeedbackLedger(database)


@pytest.fixture
def ask(database: Database) -> Ask:
    """Record a person's request; return the ids of its root and of its model call."""

    def record(user_id: str) -> tuple[str, str]:
        root, below = str(uuid.uuid4()), str(uuid.uuid4())
        for run_id, run_type in ((root, "chain"), (below, "llm")):
            row = {**call(0), "run_id": run_id, "root_run_id": root, "run_type": run_type}
            RunStore(database).start({**row, "user_id": user_id})
        return root, below

    return record


def test_feedback_is_replaced_when_given_again(ledger: FeedbackLedger, ask: Ask) -> None:
    """The last word counts; when it was first given stays."""
    root, _ = ask("ann")
    first = ledger.give(root, "ann", "negative", 1, "Too long.", keep_comment=True)
    second = ledger.give(root, "ann", "positive", keep_comment=True)
    assert (first.rating, first.score, first.comment) == ("negative", 1, "Too long.")
    assert (second.rating, second.score, second.comment) == ("positive", None, None)
    assert (second.given_at, first.changed_at) == (first.given_at, first.given_at)
    assert second.changed_at > first.changed_at
    assert ledger.of_run(root) == [second]


def test_feedback_is_kept_under_the_root_when_a_model_call_is_named(
    ledger: FeedbackLedger, ask: Ask
) -> None:
    """A request and its model calls are one thing to a person."""
    root, below = ask("ann")
    given = ledger.give(below, "ann", "neutral", 3, keep_comment=True)
    assert given.run_id == root
    assert ledger.of_run(root) == ledger.of_run(below) == [given]


def test_comment_is_left_out_when_there_is_no_consent(ledger: FeedbackLedger, ask: Ask) -> None:
    """Rating and score are kept for everybody; a comment of before goes too."""
    root, _ = ask("ann")
    assert ledger.give(root, "ann", "positive", 5, "Clear.", keep_comment=True).is_comment_kept
    given = ledger.give(root, "ann", "positive", 4, "I am Ann.", keep_comment=False)
    assert not given.is_comment_kept
    (kept,) = ledger.of_run(root)
    assert (kept.rating, kept.score, kept.comment) == ("positive", 4, None)


def test_run_is_not_found_when_it_is_a_strangers(ledger: FeedbackLedger, ask: Ask) -> None:
    """A stranger's run answers like an unknown one, by each of its ids; nothing is kept."""
    root, below = ask("ann")
    for run_id in (root, below, str(uuid.uuid4()), "a\0b", "\ud83d"):
        with pytest.raises(NotFoundError, match=r"^There is no run '.+' of yours\."):
            ledger.give(run_id, "bob", "negative", keep_comment=True)
        assert ledger.of_run(run_id) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("good",), "The rating 'good' is not known. Use one of: positive, neutral, negative."),
        ((None,), "The rating None is not known"),
        (("neutral", 0), "The score 0 is not a whole number from 1 to 5"),
        (("neutral", 6), "The score 6 is not"),
        (("neutral", 2.0), "The score 2.0 is not"),
        (("neutral", True), "The score True is not"),
        (("neutral", 3, "x" * 2_001), "The comment has 2,001 characters; at most 2,000"),
        (("neutral", 3, "a\0b"), "The comment is not plain text"),
        (("neutral", 3, "\ud83d"), "The comment is not plain text"),
        (("neutral", 3, None), "The comment is not plain text"),
    ],
)
def test_feedback_is_refused_when_it_does_not_fit(
    ledger: FeedbackLedger, ask: Ask, values: tuple[Any, ...], said: str
) -> None:
    """What is wrong, which value, what to do; nothing is kept."""
    root, _ = ask("ann")
    with pytest.raises(InputError) as caught:
        ledger.give(root, "ann", *values, keep_comment=True)
    assert said in str(caught.value)
    assert ledger.of_run(root) == []


def test_longest_comment_is_kept_whole_when_given(ledger: FeedbackLedger, ask: Ask) -> None:
    """The limit counts characters, not bytes; blanks around a comment are no part of it."""
    root, _ = ask("ann")
    comment = "é" * 1_999 + "🙂"
    assert ledger.give(root, "ann", "neutral", 1, comment, keep_comment=True).comment == comment
    assert ledger.give(root, "ann", "neutral", 1, " \n", keep_comment=True).comment is None


def test_one_feedback_stays_when_it_is_given_at_once(ledger: FeedbackLedger, ask: Ask) -> None:
    """A button that is pressed twice is no error and no second row."""
    for _ in range(5):
        root, _ = ask("ann")
        with ThreadPoolExecutor(4) as pool:
            given = [
                pool.submit(ledger.give, root, "ann", "neutral", score, keep_comment=True)
                for score in (1, 2, 3, 4)
            ]
        assert [done.result().score for done in given] == [1, 2, 3, 4]
        assert len(ledger.of_run(root)) == 1


def test_rows_are_intact_when_a_database_of_before_is_opened(records_url: str) -> None:
    """A database without the table gets it; what stood in the others stays."""
    before, run_id = Database.open(records_url), str(uuid.uuid4())
    RunStore(before).start({**call(0), "run_id": run_id, "root_run_id": run_id, "user_id": "ann"})
    _migrate_down(before, "0001")
    assert not inspect(before.engine).has_table("feedback")
    before.close()
    after = Database.open(records_url)
    run = RunStore(after).get(run_id)
    given = FeedbackLedger(after).give(run_id, "ann", "positive", keep_comment=True)
    after.close()
    assert run is not None
    assert (run.user_id, run.cost_nano_usd, given.run_id) == ("ann", 20_000_000, run_id)


def _migrate_down(database: Database, revision: str) -> None:
    config = Config()
    folder = Path(str(agent.__file__)).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
