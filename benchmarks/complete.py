"""Whether every call that a provider saw has one row that ended: mixed requests over HTTP.

A server of this project runs in a process of its own, and the provider beside it counts. Requests
succeed, fail, are streamed, are cut, are refused and are left by their clients; half of them come
before the person consents and half after.
Usage: python -m benchmarks.complete [--requests N] [--clients N] [--output FILE]
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy

from tests.graphs.test_build import PLAN
from tests.servers.openai import Fault, OpenAIServer
from tests.servers.openai_wire import Wire
from tests.servers.running import running

ROOT = Path(__file__).parents[1]
_PATIENCE = 60.0
_WORDS = "A dict maps keys to values, and keeps the order in which they came."
_MARK = re.compile(r"case (\w+) number (\d+)")
_EXPECTED = {
    "chat": "done",
    "streamed": "done",
    "planned": "done",
    "busy_once": "done",
    "busy": "error",
    "broken": "error",
    "refused": "error",
    "cut": "error",
    "ended": "error",
    "left_stream": "cancelled",
    "left_waiting": "cancelled",
    "empty": None,
}
"""The kinds of requests, and how the request itself ends; what is no request has no row."""
_FAULTS: Mapping[str, Fault] = {
    "busy": "429",
    "broken": "500",
    "refused": "400",
    "cut": "cut",
    "ended": "eof",
    "left_stream": "stall",
    "left_waiting": "hang",
}
_MIX = (*("chat", "streamed") * 3, "planned", *_EXPECTED)
_STREAMED = ("streamed", "cut", "ended", "left_stream")


class Provider(OpenAIServer):
    """Fails in the way that a request's own words ask for, and notes which it has seen."""

    def __init__(self) -> None:
        super().__init__(_WORDS)
        self.seen: Counter[str] = Counter()

    async def _play(self, wire: Wire, body: Mapping[str, Any], fault: Fault | None) -> None:
        asked = _MARK.search(json.dumps(body["messages"]))
        kind, number = asked.groups() if asked else ("", "")
        self.seen[number] += 1
        fault = _FAULTS.get(kind)
        if kind == "busy_once" and self.seen[number] == 1:
            fault = "429"
        await super()._play(wire, body, fault)

    async def _answer(self, body: Mapping[str, Any]) -> Any:
        answer = await super()._answer(body)
        is_plan = "case planned" in json.dumps(body["messages"])
        return replace(answer, text=json.dumps(PLAN)) if is_plan else answer


def main() -> None:
    """Ask, look into the record, and write what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = measure(options.requests, options.clients)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def measure(requests: int, clients: int) -> dict[str, Any]:
    """Return how many calls there were, how many rows, and in which states they ended."""
    provider = Provider()
    with tempfile.TemporaryDirectory() as folder, running(provider.app) as base:
        environment = {
            **{name: value for name, value in os.environ.items() if "LANGSMITH" not in name},
            "ASSIST_DATA_DIR": folder,
            "ASSIST_STRONG_MODEL": "openai:gpt-4o",
            "ASSIST_FAST_MODEL": "openai:gpt-4o",
            "ASSIST_MODEL_RETRIES": "1",
            "ASSIST_PRICE_PROVIDER": "openai",
            "OPENAI_API_KEY": "sk-none",
            "OPENAI_BASE_URL": f"{base}/v1",
        }
        examples = [sys.executable, "-m", "agent.cli", "index", "add", "examples/past-assignments"]
        subprocess.run(examples, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        started = time.perf_counter()
        with _serving(environment) as address:
            asked = asyncio.run(_ask_all(address, provider, requests, clients))
        seconds = time.perf_counter() - started
        found = _read(Path(folder) / "records.db", asked)
    return {
        "requests": requests,
        "seconds": round(seconds, 1),
        "kinds": dict(Counter(kind for kind, _ in asked)),
        "cached": "left out: the assistant has no cache of replies",
        "provider_calls": provider.calls,
        **found,
        "is_complete": provider.calls == found["llm_rows"] and not found["faults"],
    }


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "agent.cli", "serve", "--port", str(port)]
    child = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        limit = time.monotonic() + _PATIENCE
        while not _is_ready(address):
            if time.monotonic() > limit or child.poll() is not None:
                message = "the server did not start"
                raise RuntimeError(message)
            time.sleep(0.1)
        yield address
    finally:
        child.terminate()
        child.wait(_PATIENCE)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/ready").is_success
    except httpx.TransportError:
        return False


async def _ask_all(
    address: str, provider: Provider, requests: int, clients: int
) -> list[tuple[str, str | None]]:
    """Ask everything, and return of each request its kind and the id of its run."""
    asked: list[tuple[str, str | None]] = []
    async with httpx.AsyncClient(base_url=address, timeout=_PATIENCE) as client:
        for is_given, numbers in (
            (False, range(requests // 2)),
            (True, range(requests // 2, requests)),
        ):
            decision = {"given": is_given}
            (await client.put("/me/consent", json=decision)).raise_for_status()
            left = iter(numbers)

            async def work(left: Iterator[int] = left) -> None:
                for number in left:
                    kind = _MIX[number % len(_MIX)]
                    asked.append((kind, await _ask(client, provider, kind, number)))

            await asyncio.gather(*(work() for _ in range(clients)))
    return asked


async def _ask(client: httpx.AsyncClient, provider: Provider, kind: str, number: int) -> str | None:
    """Ask once, and return the id of the run where it is told."""
    wanted = {
        "message": ""
        if kind == "empty"
        else f"What is a dict? This is case {kind} number {number}",
        "prompt_type": "planning" if kind == "planned" else "chat",
    }
    if kind in _STREAMED:
        return await _read_stream(client, kind, wanted)
    asking = asyncio.create_task(client.post("/ask", json=wanted))
    if kind == "left_waiting":
        while not provider.seen[str(number)]:  # noqa: ASYNC110 - which another thread counts
            await asyncio.sleep(0.01)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        return None
    told = (await asking).json()
    run_id: str | None = (told.get("error") or told).get("run_id")
    return run_id


async def _read_stream(client: httpx.AsyncClient, kind: str, wanted: Mapping[str, Any]) -> str:
    """Read events to the end, or leave at the third token."""
    run_id, tokens = "", 0
    async with _events(client, wanted) as events:
        async for name, data in events:
            run_id = run_id or data.get("run_id", "")
            tokens += name == "token"
            if kind == "left_stream" and tokens == 3:  # noqa: PLR2004 - what the provider gives
                break
    return run_id


@asynccontextmanager
async def _events(
    client: httpx.AsyncClient, wanted: Mapping[str, Any]
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    async with AsyncExitStack() as stack:
        asking = client.stream("POST", "/ask", json=wanted, headers={"accept": "text/event-stream"})
        response = await stack.enter_async_context(asking)

        async def read() -> AsyncIterator[tuple[str, Any]]:
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

        yield read()


def _read(records: Path, asked: list[tuple[str, str | None]]) -> dict[str, Any]:
    """Count the rows of the record, and list what is wrong with them."""
    engine = sqlalchemy.create_engine(f"sqlite:///{records}")
    query = "SELECT run_id, root_run_id, run_type, status, provider, cache, content FROM runs"
    with engine.connect() as connection:
        runs = [row._asdict() for row in connection.execute(sqlalchemy.text(query))]
    engine.dispose()
    calls = [run for run in runs if run["run_type"] == "llm" and run["cache"] != "hit"]
    calls = [run for run in calls if run["provider"] != "offline"]
    roots = {run["run_id"]: run["status"] for run in runs if run["run_id"] == run["root_run_id"]}
    return {
        "llm_rows": len(calls),
        "llm_states": dict(Counter(run["status"] for run in calls)),
        "llm_percent": _shares([run["status"] for run in calls]),
        "root_states": dict(Counter(roots.values())),
        "rows": len(runs),
        "rows_with_text": sum(run["content"] == "kept" for run in runs),
        "faults": _faults(roots, runs, asked),
    }


def _shares(states: list[str]) -> dict[str, float]:
    """Return how many of a hundred are in each state; together they are a hundred."""
    return {state: round(100 * count / len(states), 2) for state, count in Counter(states).items()}


def _faults(
    roots: Mapping[str, str], runs: list[dict[str, Any]], asked: list[tuple[str, str | None]]
) -> list[str]:
    """Say which requests have no row, or one that ended in another way than they did."""
    faults = [
        f"{run['run_type']} {run['run_id']} is {run['status']}"
        for run in runs
        if run["status"] in ("started", "abandoned", None)
    ]
    for kind, run_id in asked:
        if run_id is not None and (status := roots.get(run_id)) != _EXPECTED[kind]:
            faults.append(f"{kind} {run_id} is {status}")
        if run_id is None and kind not in ("left_waiting", "empty"):
            faults.append(f"{kind} was answered without the id of its run")
    wanted = Counter(_EXPECTED[kind] for kind, _ in asked if kind != "empty")
    if wanted != Counter(roots.values()):
        faults.append(
            f"the requests ended as {dict(wanted)}, their rows as {dict(Counter(roots.values()))}"
        )
    return faults


if __name__ == "__main__":
    main()
