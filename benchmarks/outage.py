"""LangSmith out for a minute, and a kill in the middle: what arrives, and who waits.

One assistant answers while LangSmith is refusing, slow, busy, failing, or cutting connections off
after it has kept what came. In the middle the process is killed, and another goes on. Then
LangSmith is back, and everything has to arrive: each run, in whole trees. A second assistant
without LangSmith answers in turn with the first, so that the waits can be compared.
Usage: python benchmarks/outage.py [--seconds N] [--output FILE]
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO, cast

from tests.servers.langsmith import LangSmithServer
from tests.servers.running import running

_ROOT = Path(__file__).parents[1]
_FAULTS: dict[str, dict[str, Any]] = {
    "refusing (503)": {"status": 503},
    "slow (12 s)": {"delay": 12.0},
    "busy (429)": {"status": 429},
    "failing (500)": {"status": 500},
    "cutting off after it took": {"resets": 1_000_000},
}
_WELL: dict[str, Any] = {"status": None, "delay": 0.0, "resets": 0}
_QUESTION = "How should I implement JWT authentication in FastAPI?"
_PATIENCE = 120.0
_WORKER = f"""
import json, sys, time
from agent import Assistant
with Assistant() as assistant:
    if sys.argv[1] == "first":
        assistant.stores.consent.decide(assistant.stores.user_id, "given", door="python")
    assistant.ask({_QUESTION!r})
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        answer = assistant.ask({_QUESTION!r})
        print(json.dumps([answer.run_id, time.perf_counter() - started]), flush=True)
"""


class Worker:
    """A process that answers when it is told to."""

    def __init__(self, folder: Path, langsmith: str | None, which: str) -> None:
        environment = {**os.environ, "ASSIST_DATA_DIR": str(folder), "LANGSMITH_API_KEY": "any"}
        if langsmith:
            environment |= {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": langsmith}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, which],
            env=environment,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asks = cast("TextIO", self._process.stdin)
        self._answers = cast("TextIO", self._process.stdout)
        self._answers.readline()

    def ask(self) -> tuple[str, float]:
        """Return the answer's run and the seconds it took."""
        self._send()
        run_id, seconds = json.loads(self._answers.readline())
        return run_id, seconds

    def kill(self) -> None:
        """End it at once, in the middle of a request."""
        self._send()
        time.sleep(0.05)
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it end by itself."""
        self._asks.close()
        self._process.wait()

    def _send(self) -> None:
        self._asks.write("ask\n")
        self._asks.flush()


def main() -> None:
    """Run the outage and write what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = measure(options.seconds, options.runs)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def measure(seconds: float, runs: int) -> dict[str, Any]:
    """Return what was recorded, what arrived, and how long the answers took."""
    server = LangSmithServer()
    with tempfile.TemporaryDirectory() as place, running(server.app) as base:
        folder, other = Path(place) / "traced", Path(place) / "silent"
        for data in (folder, other):
            _index(data)
        traced, silent = Worker(folder, base, "first"), Worker(other, None, "first")
        waits: dict[str, list[float]] = {"traced": [], "silent": []}
        began = time.monotonic()
        acknowledged: list[str] = []
        killed = False
        faults = list(_FAULTS.values())
        # As many as a request has; the requests go on until both the time and the number are met.
        each = _runs_of_one(folder)
        while (passed := time.monotonic() - began) < seconds or len(acknowledged) * each < runs:
            _set(server, faults[min(int(passed / seconds * len(faults)), len(faults) - 1)])
            if not killed and passed > seconds / 2:
                traced.kill()
                traced, killed = Worker(folder, base, "second"), True
            run_id, took = traced.ask()
            acknowledged.append(run_id)
            waits["traced"].append(took)
            waits["silent"].append(silent.ask()[1])
        outage = time.monotonic() - began
        _set(server, _WELL)
        back = time.monotonic()
        while _waiting(folder) and time.monotonic() - back < _PATIENCE:
            time.sleep(0.2)
        delivered_after = time.monotonic() - back
        traced.close()
        silent.close()
        return {
            "outage_seconds": round(outage, 1),
            "requests": len(acknowledged),
            **_compare(folder, server, acknowledged),
            "delivered_seconds_after_return": round(delivered_after, 1),
            **_waits(waits),
        }


def _index(folder: Path) -> None:
    environment = {**os.environ, "ASSIST_DATA_DIR": str(folder)}
    examples = _ROOT / "examples" / "past-assignments"
    command = [sys.executable, "-m", "agent.cli", "index", "add", str(examples)]
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=_ROOT)


def _set(server: LangSmithServer, state: dict[str, Any]) -> None:
    for name, value in {**_WELL, **state}.items():
        setattr(server, name, value)


def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "records.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _runs_of_one(folder: Path) -> int:
    ((runs, roots),) = _rows(folder, "SELECT count(*), count(DISTINCT root_run_id) FROM runs")
    return int(runs / roots)


def _waiting(folder: Path) -> bool:
    return bool(_rows(folder, "SELECT 1 FROM outbox LIMIT 1"))


def _compare(folder: Path, server: LangSmithServer, acknowledged: list[str]) -> dict[str, Any]:
    """Return how the record and what arrived differ."""
    recorded = dict(_rows(folder, "SELECT run_id, status FROM runs"))
    arrived = server.runs
    parents = {run.get("parent_run_id") for run in arrived.values()} - {None}
    return {
        "runs_recorded": len(recorded),
        "runs_arrived": len(arrived),
        "not_arrived": len(recorded.keys() - arrived.keys()),
        "arrived_unrecorded": len(arrived.keys() - recorded.keys()),
        "without_end": sum(not run.get("end_time") for run in arrived.values()),
        "parents_missing": len(parents - arrived.keys()),
        "acknowledged_without_done_record": sum(
            recorded.get(run_id) != "done" for run_id in acknowledged
        ),
        "states": {
            status: list(recorded.values()).count(status) for status in set(recorded.values())
        },
        "outbox_left": len(_rows(folder, "SELECT 1 FROM outbox")),
    }


def _waits(waits: dict[str, list[float]]) -> dict[str, Any]:
    figures = {
        name: {
            "p50_ms": round(statistics.median(took) * 1e3, 2),
            "p95_ms": round(statistics.quantiles(took, n=20)[-1] * 1e3, 2),
        }
        for name, took in waits.items()
    }
    ratio = figures["traced"]["p95_ms"] / figures["silent"]["p95_ms"]
    return {**figures, "p95_to_silent": round(ratio, 3)}


if __name__ == "__main__":
    main()
