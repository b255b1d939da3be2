"""The recorded model calls as a table for notebooks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.errors import SettingsError
from agent.prices import NANO
from agent.recording.run_store import Run

if TYPE_CHECKING:
    from pandas import DataFrame

_TIMES = ["started_at", "ended_at"]
_COUNTS = ["input_tokens", "output_tokens", "cost_nano_usd"]
_DURATIONS = ["latency_ms", "first_token_ms"]


def as_frame(runs: Sequence[Run]) -> "DataFrame":
    """Return the newest model calls, one row each, with times in UTC and the cost in dollars.

    What is not known is missing, never 0; sum it with `min_count=1` to keep it so.

    Raises:
        SettingsError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise SettingsError(
            "pandas is not installed, so there is no table of runs. "
            "Install it: pip install 'assignment-assistant[notebook]'"
        ) from error
    names = [column.key for column in Run.__table__.columns]
    frame = pd.DataFrame(
        [{name: getattr(run, name) for name in names} for run in runs], columns=names
    )
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True)
    # Given, because a column of nothing but `None` would have no type to calculate with.
    frame = frame.astype(
        {**dict.fromkeys(_COUNTS, "Int64"), **dict.fromkeys(_DURATIONS, "float64")}
    )
    cost = (frame["cost_nano_usd"] / NANO).astype("float64")
    frame.insert(names.index("cost_nano_usd"), "cost_usd", cost)
    return frame
