"""What redaction and the vault add to a request's CPU time: the same graph without and with them.

All variants are open in one process and take turns, a few dozen requests each, so that whatever
else the machine does falls on all of them. The graph is that of `benchmarks/recording.py`.
Usage: python -m benchmarks.vault [--rounds N] [--requests N] [--output FILE]
"""

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.database import Database
from agent.privacy.kek import KEK_FILE, Keks
from agent.privacy.keyring import KeyRing
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.privacy.sealing import use_vault
from agent.privacy.vault import Vault
from agent.recording.recorder import Recorder
from agent.settings import Settings
from benchmarks.recording import _PROMPT, _make_graph

_PERSON = "u1"
_VARIANTS = ("none", "redaction", "redaction and vault")


class Unread(Redactor):
    """Lets every text pass."""

    def redact_or_hash(self, text: str) -> str:
        """Return the text as it is."""
        return text


@dataclass(frozen=True, slots=True)
class Variant:
    """A graph that is recorded in one way."""

    graph: Any
    recorder: Recorder

    def run(self, requests: int) -> float:
        """Return microseconds of CPU a request, until all is on the disk."""
        started = time.process_time()
        asyncio.run(self._run(requests))
        self.recorder.writer.wait()
        return (time.process_time() - started) / requests * 1e6

    async def _run(self, requests: int) -> None:
        for _ in range(requests):
            await self.graph.ainvoke({"text": _PROMPT})


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Variant]:
    """Open a variant in a folder of its own."""
    with ExitStack() as stack:
        database = Database.open(f"sqlite:///{folder / 'records.db'}")
        stack.callback(database.close)
        if "vault" in name:
            keys = KeyRing.open(f"sqlite:///{folder / 'keys.db'}", Keks(folder / KEK_FILE))
            stack.callback(keys.close)
            keys.admit(_PERSON)
            use_vault(database, Vault(keys))
        recorder = Recorder(
            Settings(data_dir=folder),
            database,
            default_owner=Owner(_PERSON),
            has_consent=lambda _: True,
            make_redactor=lambda _: Redactor() if "redaction" in name else Unread(),
        )
        stack.callback(recorder.close)
        yield Variant(recorder.record(_make_graph()), recorder)


def compare(rounds: int, requests: int) -> dict[str, Any]:
    """Return medians of CPU time and, pair by pair, their ratios to the run without."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variants = {
            name: stack.enter_context(opened(name, folder / name.replace(" ", "-")))
            for name in _VARIANTS
        }
        for variant in variants.values():
            variant.run(requests)
        gc.collect()
        gc.freeze()
        seen: dict[str, list[float]] = {name: [] for name in _VARIANTS}
        for number in range(rounds):
            turn = number % len(_VARIANTS)
            for name in (*_VARIANTS[turn:], *_VARIANTS[:turn]):
                seen[name].append(variants[name].run(requests))
    ratios = {
        name: [made / bare for made, bare in zip(of, seen["none"], strict=True)]
        for name, of in seen.items()
    }
    return {
        "rounds": rounds,
        "requests": requests,
        "variants": {
            name: {
                "cpu_us": round(statistics.median(of)),
                "added_cpu_us": round(statistics.median(of) - statistics.median(seen["none"])),
                "ratio": round(statistics.median(ratios[name]), 3),
            }
            for name, of in seen.items()
        },
    }


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = compare(options.rounds, options.requests)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
