"""Whether recording keeps memory: the size of a process over 100,000 runs.

Each request is a root, two nodes, a retriever and a model call that streams, with texts of its
own, redacted and committed as in the product; every tenth is cancelled in the middle.
Usage: python -m benchmarks.memory [--runs N] [--output FILE]
"""

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agent.database import Database
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.handler import RecordingHandler
from agent.recording.rows import RowMaker
from agent.recording.run_store import RunStore
from agent.recording.writer import Writer

_RUNS_EACH = 5
_AT_ONCE = 32
_EVERY = 5_000
_WARM = 25_000
"""Runs before the slope is measured: caches fill, and what ended lately is remembered."""
_TEXT = "Read the tokens first, then build the tree, and walk it to add up the numbers. " * 12
_USAGE: Any = {"input_tokens": 300, "output_tokens": 300, "total_tokens": 600}
_MODEL = {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_model_type": "chat"}


def main() -> None:
    """Record, and write how the process grew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = measure(options.runs)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def measure(runs: int, *, every: int = _EVERY, warm: int = _WARM) -> dict[str, Any]:
    """Return the size of the process as the runs go by, and its slope after the warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/records.db")
        writer = Writer(RunStore(database))
        rows = RowMaker(
            process_id="p1",
            sends=True,
            has_consent=lambda _: True,
            make_redactor=lambda _: Redactor(),
        )
        handler = RecordingHandler(writer, rows, prices=PriceList(), default_owner=Owner("u1"))
        started = time.perf_counter()
        sizes = asyncio.run(_record(handler, writer, runs, every))
        seconds = time.perf_counter() - started
        writer.close()
        database.close()
    after = {done: size for done, size in sizes.items() if done >= warm}
    line = statistics.linear_regression(list(after), list(after.values()))
    return {
        "runs": runs,
        "seconds": round(seconds, 1),
        "bytes_per_run_after_warm_up": round(line.slope, 1),
        "left_open": len(handler._open),  # noqa: SLF001 - what a leak would fill
        "rss_mib": {done: round(size / 2**20, 1) for done, size in sizes.items()},
    }


async def _record(
    handler: RecordingHandler, writer: Writer, runs: int, every: int
) -> dict[int, int]:
    process, sizes = psutil.Process(), {}
    for done in range(0, runs, every):
        left = iter(range(done, done + every, _RUNS_EACH))
        await asyncio.gather(*(_work(handler, writer, left) for _ in range(_AT_ONCE)))
        gc.collect()
        sizes[done + every] = process.memory_info().rss
    return sizes


async def _work(handler: RecordingHandler, writer: Writer, left: Iterator[int]) -> None:
    for number in left:
        _request(handler, number)
        await writer.wait_async()


def _request(handler: RecordingHandler, number: int) -> None:
    """Tell the handler of one request, as LangChain does."""
    root, first, search, second, call = (uuid.uuid4() for _ in range(_RUNS_EACH))
    given = {"messages": [HumanMessage(f"{number}: {_TEXT}")]}
    metadata = {"thread_id": f"t{number}", "langgraph_node": "chat"}
    handler.begin(root, name="assistant", owner=Owner(f"u{number % 500}"), metadata=metadata)
    handler.on_chain_start(None, given, run_id=root, metadata=metadata)
    handler.on_chain_start(None, given, run_id=first, parent_run_id=root, name="retrieve")
    handler.on_retriever_start(None, _TEXT, run_id=search, parent_run_id=first)
    found = [Document(f"{number} {_TEXT}", metadata={"score": 0.5}) for _ in range(3)]
    handler.on_retriever_end(found, run_id=search, parent_run_id=first)
    handler.on_chain_end({"sources": found}, run_id=first, parent_run_id=root)
    handler.on_chain_start(None, given, run_id=second, parent_run_id=root, name="chat")
    handler.on_chat_model_start(
        {"name": "ChatOpenAI"},
        [[SystemMessage(_TEXT), *given["messages"]]],
        run_id=call,
        parent_run_id=second,
        metadata={**metadata, **_MODEL},
    )
    for word in _TEXT.split()[:50]:
        handler.on_llm_new_token(word, run_id=call)
    if number // _RUNS_EACH % 10 == 0:
        handler.close(root, asyncio.CancelledError())
        return
    told = {"model_name": "gpt-4o-2024-08-06", "finish_reason": "stop"}
    reply = AIMessage(f"{number} {_TEXT}", usage_metadata=_USAGE, response_metadata=told)
    handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=reply)]]), run_id=call)
    handler.on_chain_end({"messages": [reply]}, run_id=second, parent_run_id=root)
    handler.on_chain_end({"messages": [*given["messages"], reply]}, run_id=root)
    handler.end(root)


if __name__ == "__main__":
    main()
