"""What a killed server loses: SIGKILL under load, again and again, on one data folder.

Each round starts the service, lets 16 clients ask it, kills it at a random moment and compares
what the clients and the model's server saw with the records, once the next start has opened them.
Usage: python -m benchmarks.kill [--rounds N] [--shortest S] [--longest S] [--output FILE]
"""

import argparse
import asyncio
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from agent.settings import Settings
from agent.stores import Stores
from benchmarks.startup import free_port
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

_ROOT = Path(__file__).parents[1]
_CLIENTS = 16
_PATIENCE = 60.0
_MARK = re.compile(r"mark[a-p]{32}")
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
"""Digits could be taken for an account's number, and would be replaced in the records."""
_REPLY = "A dict maps keys to values, and keeps the order in which they came."


@dataclass
class Seen:
    """What was seen from outside."""

    acknowledged: set[str] = field(default_factory=set)
    """The ids of answers that a client has received in full."""
    refused: Counter[int] = field(default_factory=Counter)
    """Other answers, by their status."""
    broken: int = 0
    """Requests that had no answer."""


@dataclass(frozen=True)
class Lives:
    """The service on one data folder, life after life."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def prepare(cls, folder: Path, provider: str) -> "Lives":
        """Index a document, and consent to texts being kept, so that prompts can be compared."""
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        environment = {
            **kept,
            "PYTHONPATH": str(_ROOT),
            "ASSIST_DATA_DIR": str(folder),
            "ASSIST_STRONG_MODEL": "openai:gpt-4o",
            "ASSIST_FAST_MODEL": "openai:gpt-4o-mini",
            "ASSIST_MODEL_RETRIES": "0",
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "any",
        }
        lives = cls(folder, environment)
        note = folder / "note.md"
        note.write_text("# Lab 1\n\nUse a dict to count the words.\n", "utf-8")
        for command in (["index", "add", str(note)], ["consent", "give"]):
            subprocess.run(
                [sys.executable, "-m", "agent.cli", *command],
                env=environment, cwd=folder, check=True, capture_output=True,
            )  # fmt: skip
        return lives

    @contextmanager
    def started(self) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
        """Start the service, wait until it is ready, and kill it at the end."""
        port = free_port()
        command = [sys.executable, "-m", "agent.cli", "serve", "--port", str(port)]
        with subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait(f"http://127.0.0.1:{port}/ready", process)
                yield process, f"http://127.0.0.1:{port}"
            finally:
                process.kill()

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Read the records."""
        with closing(sqlite3.connect(self.folder / "records.db")) as connection:
            return connection.execute(query).fetchall()

    def prompts(self) -> list[str]:
        """Read what the models were asked; it is sealed, so the stores have to open it."""
        stores = Stores.open(Settings(data_dir=self.folder))
        try:
            return [run.prompt for run in stores.runs.oldest_first() if run.prompt]
        finally:
            stores.close()


def main() -> None:
    """Kill so many times, and write what was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--shortest", type=float, default=0.2, help="seconds alive once ready")
    parser.add_argument("--longest", type=float, default=1.2)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = kill(Path(folder), options.rounds, (options.shortest, options.longest))
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def kill(folder: Path, rounds: int, alive: tuple[float, float]) -> dict[str, Any]:
    """Return what was lost in so many rounds, and how much could have been."""
    seen, sound, left_open = Seen(), 0, 0
    provider = OpenAIServer(_REPLY)
    with running(provider.app) as address:
        lives = Lives.prepare(folder, address)
        for number in range(rounds + 1):
            with lives.started() as (process, base):
                sound += lives.read("PRAGMA quick_check") == [("ok",)]
                left_open += len(lives.read("SELECT 1 FROM runs WHERE status = 'started'"))
                if number < rounds:
                    asyncio.run(_ask_until_killed(process, base, alive, seen))
    asked = Counter(mark for body in provider.requests for mark in _marks([json.dumps(body)]))
    recorded = Counter(_marks(lives.prompts()))
    return {
        "rounds": rounds,
        "clients": _CLIENTS,
        "seconds_alive": list(alive),
        "acknowledged": len(seen.acknowledged),
        "acknowledged_and_lost": len(seen.acknowledged - _settled(lives)),
        "requests_cut": seen.broken,
        "other_answers": dict(seen.refused),
        "rows_abandoned": len(lives.read("SELECT 1 FROM runs WHERE status = 'abandoned'")),
        "rows_open_after_restart": left_open,
        "model_calls": asked.total(),
        "model_calls_without_a_row": (asked - recorded).total(),
        "quick_checks_ok": sound,
    }


def _settled(lives: Lives) -> set[str]:
    """Return the requests that are done, and whose model call is."""
    rows = lives.read(
        "SELECT root.run_id FROM runs root JOIN runs call ON call.root_run_id = root.run_id "
        "WHERE root.run_id = root.root_run_id AND root.status = 'done' "
        "AND call.run_type = 'llm' AND call.status = 'done'"
    )
    return {run_id for (run_id,) in rows}


async def _ask_until_killed(
    process: "subprocess.Popen[bytes]", base: str, alive: tuple[float, float], seen: Seen
) -> None:
    limits = httpx.Limits(max_connections=_CLIENTS)
    async with httpx.AsyncClient(base_url=base, timeout=_PATIENCE, limits=limits) as client:
        asking = [asyncio.create_task(_ask(client, seen)) for _ in range(_CLIENTS)]
        await asyncio.sleep(random.uniform(*alive))  # noqa: S311 - a moment, no secret
        process.kill()
        await asyncio.gather(*asking)


async def _ask(client: httpx.AsyncClient, seen: Seen) -> None:
    """Ask until the server is gone."""
    while True:
        question = f"What is a dict? mark{uuid.uuid4().hex.translate(_LETTERS)}"
        try:
            response = await client.post("/ask", json={"message": question, "prompt_type": "chat"})
        except httpx.TransportError:
            seen.broken += 1
            return
        if response.is_success:
            seen.acknowledged.add(response.json()["run_id"])
        else:
            seen.refused[response.status_code] += 1


def _marks(texts: Iterable[str]) -> Iterator[str]:
    """Yield the marks of each text once."""
    for text in texts:
        yield from set(_MARK.findall(text))


def _is_setting(name: str) -> bool:
    return name.startswith(("ASSIST_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_"))


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + _PATIENCE
    with httpx.Client() as client:
        while time.monotonic() < limit and process.poll() is None:
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    message = f"{url} never answered"
    raise RuntimeError(message)


if __name__ == "__main__":
    main()
