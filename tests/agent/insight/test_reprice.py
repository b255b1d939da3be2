"""Recorded costs by today's lists: what changes, what is kept, what is left alone."""

import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import delete

from agent.cli.reprice import logs_reprice
from agent.database import Database
from agent.errors import InputError
from agent.insight.reprice import reprice
from agent.prices import Price, PriceList
from agent.prices.price_file import PriceFile, read_price_file
from agent.recording.run_store import Run, RunStore
from agent.settings import load_settings

OLD = "genai-prices 0.1.0 openai:gpt-4o at api.openai.com"
FREE = """
[[price]]
provider = "openai"
host = "gpu:9"
model = "*"
input = "0"
output = "0"
"""


def run(number: int, **changes: Any) -> dict[str, Any]:
    """Make a call of gpt-4o, whose cost is 750,000 nano-dollars by today's list."""
    return {
        "run_id": str(number),
        "root_run_id": str(number),
        "run_type": "llm",
        "name": "llm",
        "status": "done",
        "started_at": "2026-11-22T10:00:00.000000Z",
        "user_id": "u",
        "provider": "openai",
        "model_served": "gpt-4o-2024-08-06",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nano_usd": 900_000,
        "price_reference": OLD,
        "content": "no consent",
        **changes,
    }


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """A database without runs."""
    opened = Database.open(records_url)
    with opened.begin() as session:
        session.execute(delete(Run))
    yield opened
    opened.close()


@pytest.fixture
def free(tmp_path: Path) -> PriceFile:
    """The prices of an operator whose own server is free."""
    path = tmp_path / "own.toml"
    path.write_text(FREE, "utf-8")
    return read_price_file(path)


def fill(database: Database, *runs: dict[str, Any]) -> RunStore:
    """Record runs."""
    store = RunStore(database)
    for one in runs:
        store.start(one)
    return store


def get(store: RunStore, number: int) -> Run:
    """Return a run that is there."""
    found = store.get(str(number))
    assert found is not None
    return found


def test_figure_is_replaced_and_kept_when_the_list_says_another(database: Database) -> None:
    """The old figure stays on the run; another time round changes nothing."""
    store = fill(database, run(1), run(2, cost_nano_usd=750_000))
    result = reprice(database, PriceList())
    assert (result.runs, result.changed, result.unpriced, result.kept) == (2, 1, 0, 0)
    assert (result.before_nano_usd, result.after_nano_usd) == (1_650_000, 1_500_000)
    fresh, same = get(store, 1), get(store, 2)
    assert fresh.cost_nano_usd == 750_000
    assert fresh.price is not None
    assert fresh.price["unit_prices"]["input_per_million_usd"] == "2.5"
    assert fresh.repriced is not None
    (old,) = fresh.repriced
    assert (old["nano_usd"], old["reference"]) == (900_000, OLD)
    assert old["at"] > "2026"
    assert (same.price_reference, same.repriced) == (OLD, None)
    again = reprice(database, PriceList())
    assert (again.changed, again.before_nano_usd) == (0, 1_500_000)
    assert get(store, 1).repriced == fresh.repriced


def test_figures_line_up_when_prices_change_twice(database: Database, free: PriceFile) -> None:
    """Every figure that a run ever had is there, in order."""
    here = "genai-prices 0.1.0 openai:gpt-4o at gpu:9"
    store = fill(database, run(1, price_reference=here))
    reprice(database, PriceList("http://gpu:9/v1", "openai"))
    reprice(database, PriceList("http://gpu:9/v1", "openai", free))
    found = get(store, 1)
    assert found.cost_nano_usd == 0
    assert [old["nano_usd"] for old in found.repriced or []] == [900_000, 750_000]


def test_nothing_is_written_when_it_is_a_dry_run(database: Database) -> None:
    """It says what would happen."""
    store = fill(database, run(1))
    result = reprice(database, PriceList(), dry_run=True)
    assert (result.changed, result.after_nano_usd) == (1, 750_000)
    assert (get(store, 1).cost_nano_usd, get(store, 1).repriced) == (900_000, None)


def test_unknown_price_stays_unknown_when_no_list_has_it(database: Database) -> None:
    """It is counted, and is in no sum; what became known is filled in; what was known stays."""
    nobody = "unknown: no price for openai:gpt-4o at api.openai.com"
    store = fill(
        database,
        run(1, model_served="nobodys", cost_nano_usd=None, price_reference="unknown: no price"),
        run(2, cost_nano_usd=None, price_reference=nobody),
        run(3, model_served="nobodys"),
        run(4, provider=None),
        run(5, input_tokens=None, output_tokens=None, cost_nano_usd=None),
    )
    result = reprice(database, PriceList())
    assert (result.runs, result.changed, result.unpriced, result.kept) == (5, 1, 2, 2)
    assert (result.before_nano_usd, result.after_nano_usd) == (1_800_000, 2_550_000)
    costs = [get(store, number).cost_nano_usd for number in range(1, 6)]
    assert costs == [None, 750_000, 900_000, 900_000, None]
    assert get(store, 2).repriced is not None
    assert (get(store, 2).repriced or [{}])[0]["nano_usd"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "imported"},
        {"cache": "hit", "cost_nano_usd": 0},
        {"run_type": "chain"},
        {"status": "started"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_run_is_left_alone_when_its_cost_is_not_ours_to_say(
    database: Database, changes: dict[str, Any]
) -> None:
    """What is imported states its cost; a cache answers for nothing; the rest has none yet."""
    fill(database, run(1, **changes))
    assert reprice(database, PriceList()).runs == 0


def test_embedding_is_repriced_when_it_was_recorded(database: Database) -> None:
    """It has no answer, so no tokens of one."""
    embedded = run(
        1, run_type="embedding", model_served="text-embedding-3-small", output_tokens=None
    )
    store = fill(database, embedded)
    reprice(database, PriceList())
    assert get(store, 1).cost_nano_usd == 2_000


def test_run_has_the_price_of_its_day_when_it_is_old(database: Database) -> None:
    """Today's list also says what was paid before."""
    before = "2025-01-01T10:00:00.000000Z"
    store = fill(database, run(1, model_served="o3", started_at=before), run(2, model_served="o3"))
    reprice(database, PriceList())
    assert [get(store, number).cost_nano_usd for number in (1, 2)] == [3_000_000, 600_000]


def test_run_has_the_price_of_its_server_when_another_is_set_up_now(
    database: Database, free: PriceFile
) -> None:
    """OpenAI's bill does not become free, nor the free server's OpenAI's."""
    stranger = "unknown: gpu:9 has no price list; set ASSIST_PRICE_PROVIDER"
    store = fill(database, run(1), run(2, cost_nano_usd=None, price_reference=stranger))
    reprice(database, PriceList("http://elsewhere:1/v1", "groq", free))
    assert [get(store, number).cost_nano_usd for number in (1, 2)] == [750_000, 0]
    assert reprice(database, PriceList("", "", free)).changed == 0


def test_days_are_chosen_when_they_are_named(database: Database) -> None:
    """Both of them are included."""
    days = ("2026-11-21T23:59:59.999999Z", "2026-11-22T00:00:00.000000Z",
            "2026-11-23T23:59:59.999999Z", "2026-11-24T00:00:00.000000Z")  # fmt: skip
    fill(database, *(run(number, started_at=day) for number, day in enumerate(days)))
    first, last = date(2026, 11, 22), date(2026, 11, 23)
    found = [
        reprice(database, PriceList(), since=since, until=until, dry_run=True).runs
        for since, until in ((first, last), (first, None), (None, last), (first, first))
    ]
    assert found == [2, 3, 3, 1]


def test_every_run_is_reached_when_there_are_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read a few at a time."""
    monkeypatch.setattr(sys.modules["agent.insight.reprice"], "_BATCH", 2)
    fill(database, *(run(number) for number in range(5)))
    assert reprice(database, PriceList()).changed == 5


def test_figure_is_kept_once_when_two_reprice_at_the_same_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second finds another figure than was read, and leaves it."""
    store = fill(database, run(1))
    write = sys.modules["agent.insight.reprice"]._write

    def write_twice(database: Database, fresh: list[tuple[Run, Price]], **options: Any) -> int:
        others = [(found, Price(1, "another list")) for found, _ in fresh]
        return sum(write(database, prices, **options) for prices in (fresh, others))

    monkeypatch.setattr(sys.modules["agent.insight.reprice"], "_write", write_twice)
    assert reprice(database, PriceList(), sends=True).queued == 1
    found = get(store, 1)
    assert found.cost_nano_usd == 750_000
    assert [old["nano_usd"] for old in found.repriced or []] == [900_000]


def test_command_says_what_changed_when_it_is_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As text and as JSON; a word that is no date is refused."""
    settings = load_settings()
    database = Database.open(settings.records_url)
    fill(
        database, run(1), run(2, provider=None),
        run(3, model_served="nobodys", cost_nano_usd=None),
    )  # fmt: skip
    database.close()
    app = typer.Typer()
    app.command()(logs_reprice)
    app(["--dry-run", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {
        "dry_run": True, "runs": 3, "changed": 1, "kept": 1, "unpriced": 1,
        "before_nano_usd": 1_800_000, "after_nano_usd": 1_650_000, "queued": 0,
    }  # fmt: skip
    app(["--since", "2026-11-22", "--until", "2026-11-22"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines() == [
        "3 calls, 1 changed",
        "cost before $0.001800, after $0.001650",
        "1 keep the cost they have: no list has a price for them now",
        "1 have no known price and are in neither sum",
    ]
    app(["--until", "2026-11-21"], standalone_mode=False)
    assert capsys.readouterr().out == "0 calls, 0 changed\ncost before $0.000000, after $0.000000\n"
    with pytest.raises(InputError, match="--since 'soon' is not a date"):
        app(["--since", "soon"], standalone_mode=False)
