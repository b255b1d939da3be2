"""What recording a run costs, beside LangSmith's tracer, Langfuse's handler and a naive insert.

Each variant runs in processes of its own, in turn with the others, over the same graph: a root,
two nodes and a model call in each. The time counts until everything is delivered.
Usage: python benchmarks/recording.py [--rounds N] [--runs N] [--output FILE]
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_VARIANTS = ("none", "ours", "ours, redacted", "LangChainTracer", "Langfuse", "naive insert")
_WARM_UP = 100
_PROMPT = "Plan the parser of a small calculator and say why each step stands where it does. " * 18
_REPLY = "First read the tokens, then build the tree, then walk it and add up the numbers. " * 18
_INFO = {
    "version": "0.15.0",
    "batch_ingest_config": {"use_multipart_endpoint": True, "size_limit": 100,
                            "size_limit_bytes": 20_971_520, "scale_up_qsize_trigger": 1_000,
                            "scale_up_nthreads_limit": 16, "scale_down_nempty_trigger": 4},
    "instance_flags": {"zstd_compression_enabled": True},
}  # fmt: skip


def main() -> None:
    """Measure every variant in turn, or one of them in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--variant")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--sink", default="")
    options = parser.parse_args()
    if options.variant:
        work = measure(options.variant, options.runs, options.concurrency, options.sink)
        print(json.dumps(asyncio.run(work)))
        return
    result = compare(options.rounds, options.runs)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def compare(rounds: int, runs: int) -> dict[str, Any]:
    """Return medians and ratios of all variants, sequential and with 32 at once."""
    result: dict[str, Any] = {"runs": runs, "rounds": rounds}
    with _sink() as address:
        for concurrency in (1, 32):
            seen: dict[str, list[dict[str, float]]] = {}
            for number in range(rounds):
                turn = [*_VARIANTS[number % 6 :], *_VARIANTS[: number % 6]]
                for variant in turn:
                    if made := _run(variant, runs, concurrency, address):
                        seen.setdefault(variant, []).append(made)
            result[f"{concurrency} at once"] = _summary(seen)
    return result


def _summary(seen: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return the median of each figure, what it adds, and that beside what the tracer adds."""
    median = {
        variant: {name: statistics.median(made[name] for made in rounds) for name in rounds[0]}
        for variant, rounds in seen.items()
    }
    least = {
        variant: {name: min(made[name] for made in rounds) for name in rounds[0]}
        for variant, rounds in seen.items()
    }
    summary: dict[str, Any] = {}
    for variant, figures in median.items():
        added = {name: figures[name] - median["none"][name] for name in ("wall_us", "cpu_us")}
        tracer = {
            name: median["LangChainTracer"][name] - median["none"][name]
            for name in ("wall_us", "cpu_us")
        }
        summary[variant] = {
            **{name: round(value, 2) for name, value in figures.items()},
            **{f"least_{name}": round(value, 2) for name, value in least[variant].items()},
            **{f"added_{name}": round(value, 1) for name, value in added.items()},
            **{
                f"added_{name}_to_tracer": round(value / tracer[name], 3)
                for name, value in added.items()
            },
        }
    return summary


def _run(variant: str, runs: int, concurrency: int, sink: str) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--variant", variant, "--runs", str(runs)]
    command += ["--concurrency", str(concurrency), "--sink", sink]
    environment = {name: value for name, value in os.environ.items() if "LANGSMITH" not in name}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{variant} is left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _sink() -> Any:
    """Run a process that takes whatever it is sent, and says that it did."""
    script = (
        "import asyncio, json, sys\n"
        "INFO = json.dumps(json.loads(sys.argv[1])).encode()\n"
        "async def serve(reader, writer):\n"
        "    try:\n"
        "        while head := await reader.readuntil(b'\\r\\n\\r\\n'):\n"
        "            lines = head.decode('latin-1').lower().split('\\r\\n')\n"
        "            size = [int(l[15:]) for l in lines if l.startswith('content-length:')]\n"
        "            if size: await reader.readexactly(size[0])\n"
        "            elif any('chunked' in l for l in lines):\n"
        "                while n := int(await reader.readuntil(b'\\r\\n'), 16):\n"
        "                    await reader.readexactly(n + 2)\n"
        "                await reader.readexactly(2)\n"
        "            body = INFO if '/info' in lines[0] else b'{}'\n"
        "            writer.write(b'HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n'\n"
        "                b'content-length: %d\\r\\n\\r\\n' % len(body) + body)\n"
        "    except (asyncio.IncompleteReadError, ConnectionError): pass\n"
        "    finally: writer.close()\n"
        "async def main():\n"
        "    server = await asyncio.start_server(serve, '127.0.0.1', 0, limit=2**26)\n"
        "    print(server.sockets[0].getsockname()[1], flush=True)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, json.dumps(_INFO)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"  # type: ignore[union-attr]
        finally:
            process.kill()


async def measure(variant: str, runs: int, concurrency: int, sink: str) -> dict[str, float]:
    """Run the graph so many times, and return microseconds a run until all is delivered."""
    with tempfile.TemporaryDirectory() as folder:
        graph, close = await asyncio.to_thread(_open, variant, Path(folder), sink)
        await _invoke(graph, _WARM_UP, concurrency)
        gc.collect()
        gc.freeze()  # as the server does once it is open; else each pass walks all modules
        lag = asyncio.create_task(_watch())
        wall, cpu = time.perf_counter(), time.process_time()
        await _invoke(graph, runs, concurrency)
        answered = time.perf_counter() - wall
        lags = await _stop(lag)
        await asyncio.to_thread(close)
        cpu = time.process_time() - cpu
    late = sorted(lags)
    return {
        "wall_us": answered / runs * 1e6,
        "cpu_us": cpu / runs * 1e6,
        "lag_p99_ms": late[int(len(late) * 0.99)] * 1e3 if late else 0.0,
    }


async def _invoke(graph: Any, runs: int, concurrency: int) -> None:
    left = iter(range(runs))

    async def worker() -> None:
        for _ in left:
            await graph.ainvoke({"text": _PROMPT})

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def _watch() -> list[float]:
    """Note how late the event loop is, every 5 ms."""
    lags: list[float] = []
    with suppress(asyncio.CancelledError):
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - before - 0.005)
    return lags


async def _stop(task: "asyncio.Task[list[float]]") -> list[float]:
    task.cancel()
    return await task


def _make_graph() -> Any:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        text: str

    reply = AIMessage(
        _REPLY,
        usage_metadata={"input_tokens": 300, "output_tokens": 300, "total_tokens": 600},
        response_metadata={"model_name": "gpt-4o-2024-08-06", "finish_reason": "stop"},
    )

    class Instant(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "instant"

        def _get_ls_params(self, stop: Any = None, **_: Any) -> Any:
            return {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_model_type": "chat"}

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=reply.model_copy())])

        async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
            return self._generate()

    model = Instant()

    async def think(state: State, config: RunnableConfig) -> State:
        said = await model.ainvoke(state["text"], config)
        return {"text": str(said.text)}

    builder = StateGraph(State)
    builder.add_node("plan", think)
    builder.add_node("write", think)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "write")
    builder.add_edge("write", END)
    return builder.compile()


def _open(variant: str, folder: Path, sink: str) -> tuple[Any, Callable[[], object]]:
    graph = _make_graph()
    if variant == "none":
        return graph, lambda: None
    if variant == "LangChainTracer":
        from langchain_core.tracers import LangChainTracer
        from langsmith import Client

        client = Client(api_url=sink, api_key="any", omit_traced_runtime_info=True)
        return graph.with_config({"callbacks": [LangChainTracer(client=client)]}), client.close
    if variant == "Langfuse":
        from langfuse import Langfuse  # type: ignore[import-not-found,unused-ignore]
        from langfuse.langchain import CallbackHandler  # type: ignore[import-not-found,unused-ignore]

        there = Langfuse(public_key="pk-any", secret_key="sk-any", host=sink)  # noqa: S106 - no key
        return graph.with_config({"callbacks": [CallbackHandler()]}), there.shutdown
    if variant == "naive insert":
        return _open_naive(graph, folder)
    return _open_ours(graph, folder, sink, redacts="redacted" in variant)


def _open_ours(
    graph: Any, folder: Path, sink: str, *, redacts: bool
) -> tuple[Any, Callable[[], object]]:
    from pydantic import SecretStr

    from agent.database import Database
    from agent.privacy.owner import Owner
    from agent.privacy.redaction import Redactor
    from agent.recording.recorder import Recorder
    from agent.settings import Settings

    class Unread(Redactor):
        """Lets every text pass, to show what recording costs by itself."""

        def redact_or_hash(self, text: str) -> str:
            return text

    database = Database.open(f"sqlite:///{folder / 'records.db'}")
    recorder = Recorder(
        Settings(
            langsmith_tracing=True, langsmith_endpoint=sink, langsmith_api_key=SecretStr("any")
        ),
        database,
        default_owner=Owner("u1"),
        has_consent=lambda _: True,
        make_redactor=lambda _: Redactor() if redacts else Unread(),
    )
    return recorder.record(graph), recorder.close


def _open_naive(graph: Any, folder: Path) -> tuple[Any, Callable[[], object]]:
    """Insert a row at every start and update it at every end, each in its own transaction."""
    import sqlite3

    from langchain_core.callbacks import BaseCallbackHandler

    path = folder / "naive.db"

    def write(statement: str, values: tuple[Any, ...]) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(statement, values)
        connection.close()

    with sqlite3.connect(path, check_same_thread=False) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, prompt TEXT, reply TEXT)")

    class Naive(BaseCallbackHandler):
        def on_chat_model_start(
            self, serialized: Any, messages: Any, *, run_id: Any, **_: Any
        ) -> None:
            text = str(messages[0][0].text)
            write("INSERT INTO runs VALUES (?, ?, NULL)", (str(run_id), text))

        def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
            text = response.generations[0][0].text
            write("UPDATE runs SET reply = ? WHERE id = ?", (text, str(run_id)))

    return graph.with_config({"callbacks": [Naive()]}), made.close


if __name__ == "__main__":
    main()
