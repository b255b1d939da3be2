"""What starting costs: CPU seconds to `/live` and `/ready`, and memory after a sourced answer.

The rival is a bare FastAPI app over a bare LangGraph graph, measured in the same run.
Usage: python benchmarks/startup.py [--rounds N] [--output FILE]
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

_BARE = """
from typing import TypedDict
import uvicorn
from fastapi import FastAPI
from langgraph.graph import END, START, StateGraph

class State(TypedDict):
    text: str

builder = StateGraph(State)
builder.add_node("answer", lambda state: {"text": state["text"].upper()})
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
app = FastAPI()

@app.get("/live")
def live() -> dict[str, str]:
    return {"status": "live"}

@app.post("/ask")
def ask(body: dict[str, str]) -> dict[str, str]:
    return graph.invoke({"text": body["message"]})

uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
"""
_QUESTION = {"message": "How should I implement JWT authentication in FastAPI?"}
_PATIENCE = 60.0


def main() -> None:
    """Measure both servers in turn and write the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {"bare": [], "assistant": []}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ASSIST_DATA_DIR": folder}
        examples = Path(__file__).parents[1] / "examples" / "past-assignments"
        assist = [sys.executable, "-m", "agent.cli"]
        subprocess.run([*assist, "index", "add", str(examples)], env=environment, check=True)
        for _ in range(options.rounds):
            port = free_port()
            bare = [sys.executable, "-c", _BARE.replace("PORT", str(port))]
            rounds["bare"].append(_measure(bare, port, environment, ready=False))
            port = free_port()
            ours = [*assist, "serve", "--port", str(port)]
            rounds["assistant"].append(_measure(ours, port, environment, ready=True))
    result = _summarise(rounds)
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result["median"], indent=2))


def _measure(
    command: list[str], port: int, environment: dict[str, str], *, ready: bool
) -> dict[str, float]:
    with _running(command, environment) as process, httpx.Client() as client:
        base = f"http://127.0.0.1:{port}"
        started = time.perf_counter()
        _wait(client, f"{base}/live", process)
        figures = {"live_cpu_s": _cpu(process), "live_wall_s": time.perf_counter() - started}
        if ready:
            _wait(client, f"{base}/ready", process)
            figures["ready_cpu_s"] = _cpu(process)
            figures["ready_wall_s"] = time.perf_counter() - started
        answer = client.post(f"{base}/ask", json=_QUESTION, timeout=_PATIENCE).raise_for_status()
        if ready and not answer.json()["sources"]:
            message = "the answer has no source"
            raise RuntimeError(message)
        figures["rss_mib"] = process.memory_info().rss / 2**20
        return figures


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[psutil.Process]:
    child = subprocess.Popen(command, env=environment)
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


def _wait(client: httpx.Client, url: str, process: psutil.Process) -> None:
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit and process.is_running():
        try:
            if client.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    message = f"{url} never answered"
    raise RuntimeError(message)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _summarise(rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    median = {
        who: {name: round(statistics.median(r[name] for r in figures), 3) for name in figures[0]}
        for who, figures in rounds.items()
    }
    pairs = zip(rounds["assistant"], rounds["bare"], strict=True)
    ratio = statistics.median(ours["live_cpu_s"] / bare["live_cpu_s"] for ours, bare in pairs)
    return {"median": {**median, "live_cpu_ratio": round(ratio, 3)}, "rounds": rounds}


if __name__ == "__main__":
    main()
