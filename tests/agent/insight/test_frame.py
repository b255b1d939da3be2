"""The recorded model calls as a DataFrame, and what is said where pandas is missing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from agent.database import Database
from agent.insight.frame import as_frame
from agent.recording.run_store import Run, RunStore
from tests.agent.insight.test_usage import call

ROOT = Path(__file__).parents[3]
WITHOUT_PANDAS = """
import sys

sys.modules["pandas"] = None
from agent import Assistant, AssistantError

with Assistant() as assistant:
    try:
        assistant.runs()
    except AssistantError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    """An empty store of runs."""
    database = Database.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield RunStore(database)
    database.close()


def test_row_has_times_tokens_and_dollars_when_read(store: RunStore) -> None:
    """The newest first, one row for each model call, with types to calculate with."""
    store.start(call(1, ended_at="2026-11-22T10:00:02.500000Z", latency_ms=2_500.0))
    store.start(call(2, started_at="2026-11-23T10:00:00.000000Z"))
    store.start(call(3, run_type="chain"))
    frame = as_frame(store.latest(None))
    assert list(frame["run_id"]) == ["2", "1"]
    assert set(frame.columns) == {column.key for column in Run.__table__.columns} | {"cost_usd"}
    first = frame.iloc[1]
    assert first["ended_at"] - first["started_at"] == pd.Timedelta(seconds=2.5)
    assert str(first["started_at"].tz) == "UTC"
    assert first["cost_usd"] == 0.02
    assert list(as_frame(store.latest(1))["run_id"]) == ["2"]


def test_unknown_is_missing_when_nothing_is_known(store: RunStore) -> None:
    """A cost or a count that nobody told is no 0, in a row and in a sum."""
    store.start(call(1, cost_nano_usd=None, input_tokens=None))
    store.start(call(2, started_at="2026-11-23T10:00:00.000000Z"))
    frame = as_frame(store.latest(None))
    assert frame["cost_usd"].isna().tolist() == [False, True]
    assert frame["input_tokens"].sum() == 100
    unpriced = frame[frame["run_id"] == "1"]
    assert pd.isna(unpriced["cost_usd"].sum(min_count=1))
    assert pd.isna(unpriced["input_tokens"].sum(min_count=1))


def test_frame_has_its_types_when_empty(store: RunStore) -> None:
    """Whoever adds up an empty table gets 0, no error."""
    frame = as_frame(store.latest(None))
    assert frame.empty
    assert frame["cost_usd"].sum() == frame["input_tokens"].sum() == 0
    assert str(frame["started_at"].dt.tz) == "UTC"
    assert frame["latency_ms"].dtype == "float64"


def test_error_says_what_to_install_when_pandas_is_missing() -> None:
    """Everything else works without it."""
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.startswith("SettingsError pandas is not installed")
    assert "pip install 'assignment-assistant[notebook]'" in result.stdout
