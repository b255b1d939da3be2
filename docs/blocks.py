"""The parts of the pages that code writes; `make docs` renews them, `make check` compares them."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from datetime import date
from functools import cache
from importlib import import_module
from importlib.resources import files
from io import StringIO
from pathlib import Path

DAY = date(2026, 11, 22)
"""The day on which the transcript is played."""
WIDTH = 100
ROOT = Path(__file__).parents[1]
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def graph() -> str:
    """Draw the graph from the code that runs."""
    from graphs.build import build_graph
    from tests.fakes import ScriptedChatModel, make_services

    drawing = build_graph(make_services(ScriptedChatModel(replies=[]))).get_graph().draw_mermaid()
    body = drawing.split("---\n")[-1].strip()
    return f"```mermaid\n{body}\n```\n"


def transcript(first: str = "", last: str = "") -> str:
    """Return what the demo prints on the offline model, or its steps from one to before another."""
    text = _played()
    if first:
        text = f"{first}{text.partition(chr(10) + first)[2]}"
    if last:
        text = text.partition(f"\n{last}")[0]
    return f"```text\n{text.strip()}\n```\n"


@cache
def _played() -> str:
    from rich.console import Console

    from agent.blocking import Assistant
    from agent.demo import run_demo
    from agent.models.catalogue import OFFLINE
    from agent.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        screen = StringIO()
        console = Console(
            file=screen, width=WIDTH, highlight=False, markup=False, color_system=None
        )
        settings = Settings(data_dir=Path(folder), strong_model=OFFLINE, fast_model=OFFLINE)
        with Assistant(settings, today=lambda: DAY) as assistant:
            run_demo(assistant, console)
        text = screen.getvalue().replace(folder, "~/.assignment-assistant")
    return _steady(text)


def help_pages() -> str:
    """Return the help of every command."""
    pages = [_help(), *(_help(*command.split()) for command in _commands())]
    return "\n".join(pages)


def session(*lines: str) -> str:
    """Return what commands print one after the other in a new installation."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "ASSIST_DATA_DIR": folder,
            "ASSIST_DATABASE_URL": f"sqlite:///{folder}/records.db",
            "COLUMNS": "90",
            "NO_COLOR": "1",
        }
        shown = []
        for line in lines:
            result = subprocess.run(
                [sys.executable, "-m", "agent.cli", *shlex.split(line)[1:]],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
            )
            printed = "\n".join(text.rstrip() for text in result.stdout.splitlines())
            shown.append(f"$ {line}\n{printed}")
    return "```text\n" + "\n\n".join(shown) + "\n```\n"


def settings_table() -> str:
    """List every setting with its default and meaning."""
    from agent.settings import Settings, variable_name

    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        factory = field.default_factory is not None
        default = "`~/.assignment-assistant`" if factory else f"`{field.default}`"
        shown = "-" if field.default in ("", None) and not factory else default
        rows.append(f"| `{variable_name(name)}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


def consent_wording() -> str:
    """Return the wording that people agree to."""
    return (files("agent.privacy") / "consent-v1.md").read_text("utf-8")


def startup_table() -> str:
    """Return the figures of the last run of `benchmarks/startup.py`."""
    result = json.loads((ROOT / "benchmarks" / "startup.json").read_text("utf-8"))
    median = result["median"]
    rows = ["| | bare FastAPI + LangGraph | Assignment Assistant |", "|---|---:|---:|"]
    for name, label in (
        ("live_cpu_s", "CPU seconds to `/live`"),
        ("live_wall_s", "seconds to `/live`"),
        ("ready_cpu_s", "CPU seconds to `/ready`"),
        ("ready_wall_s", "seconds to `/ready`"),
        ("rss_mib", "MiB of memory after the first answer"),
    ):
        bare = median["bare"].get(name, "-")
        rows.append(f"| {label} | {bare} | {median['assistant'][name]} |")
    ratio = f"`/live` costs {median['live_cpu_ratio']} times the bare app's CPU, pair by pair."
    return "\n".join(rows) + f"\n\n{ratio} Median of {len(result['rounds']['bare'])} rounds.\n"


def recording_table() -> str:
    """Return the figures of the last run of `benchmarks/recording.py`."""
    result = json.loads((ROOT / "benchmarks" / "recording.json").read_text("utf-8"))
    head = ("at once", "what records", "wall µs", "CPU µs", "lag p99 ms", "added CPU", "added wall")
    rows = [f"| {' | '.join(head)} |", "|---:|---|---:|---:|---:|---:|---:|"]
    for many in (1, 32):
        for name, of in result[f"{many} at once"].items():
            rows.append(
                f"| {many} | {name} | {of['wall_us']:.0f} | {of['cpu_us']:.0f} "
                f"| {of['lag_p99_ms']:.1f} | {of['added_cpu_us_to_tracer']:.2f} "
                f"| {of['added_wall_us_to_tracer']:.2f} |"
            )
    about = f"{result['runs']} requests, medians of {result['rounds']} rounds."
    return "\n".join(rows) + f"\n\n{about} What is added stands beside what LangChainTracer adds.\n"


def retrieval_tables() -> str:
    """Return the figures of the last runs of `benchmarks/retrieval.py`."""
    return _figures("retrieval", "tables")


def scale_table() -> str:
    """Return the figures of the last run of `benchmarks/scale.py`."""
    return _figures("scale", "table")


def _figures(name: str, render: str) -> str:
    """Return what a benchmark writes of its figures, for each embedding that it was run with."""
    rendered = getattr(import_module(f"benchmarks.{name}"), render)
    results = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text("utf-8"))
    parts = [f"With `{embedding}`:\n\n{rendered(of)}" for embedding, of in results.items()]
    return "\n\n".join(parts) + "\n"


def vault_table() -> str:
    """Return the figures of the last run of `benchmarks/vault.py`."""
    result = json.loads((ROOT / "benchmarks" / "vault.json").read_text("utf-8"))
    rows = ["| recorded with | CPU µs | added | ratio |", "|---|---:|---:|---:|"]
    rows += [
        f"| {name} | {of['cpu_us']} | {of['added_cpu_us']} | {of['ratio']:.3f} |"
        for name, of in result["variants"].items()
    ]
    about = f"{result['rounds']} rounds of {result['requests']} requests each, medians."
    return "\n".join(rows) + f"\n\n{about}\n"


def outage_table() -> str:
    """Return the figures of the last run of `benchmarks/outage.py`."""
    result = json.loads((ROOT / "benchmarks" / "outage.json").read_text("utf-8"))
    rows = ["| | |", "|---|---:|"]
    rows += [
        f"| {label} | {result[name]} |"
        for name, label in (
            ("outage_seconds", "seconds without LangSmith"),
            ("runs_recorded", "runs recorded"),
            ("runs_arrived", "runs arrived after its return"),
            ("parents_missing", "parents missing"),
            ("without_end", "runs without an end"),
            ("delivered_seconds_after_return", "seconds until everything had arrived"),
            ("p95_to_silent", "p95 of an answer, to that without LangSmith"),
        )
    ]
    return "\n".join(rows) + "\n"


def _steady(text: str) -> str:
    """Replace what differs from run to run, keeping every column where it is."""
    text = _UUID.sub("00000000-0000-0000-0000-000000000000", text)
    text = re.sub(r"\b\d\d-\d\d \d\d:\d\d:\d\d", "11-22 12:00:00", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def _commands() -> list[str]:
    import typer

    from agent.cli import app

    names = []
    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]  # a group
        inner = getattr(command, "commands", {})
        names += [name, *(f"{name} {sub}" for sub in sorted(inner))]
    return names


def _help(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "90", "TERM": "dumb", "NO_COLOR": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "agent.cli", *command, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    text = "\n".join(line.rstrip() for line in result.stdout.splitlines()).strip()
    text = text.replace("python -m agent.cli", "assist")
    return f"### `assist {' '.join(command)}`\n\n```text\n{text}\n```\n".replace(
        "assist `", "assist`"
    )
