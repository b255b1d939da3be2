"""Notebook users: the notebooks run, what they run is recorded, and the doors are what they say."""

import ast
import asyncio
import inspect
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate

import agent
from agent import Assistant, AsyncAssistant
from agent.settings import Settings
from graphs.state import Input

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
NOTEBOOKS = {path.stem: path for path in (ROOT / "notebooks").glob("*.ipynb")}
QUESTION = "What is a hash map good for?"
MESSAGES: Input = {"messages": [HumanMessage(QUESTION)]}
NOTE = "# Maps\n\nA hash map is good for finding a value by its key in constant time."
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|var|private|Users)/|\b[A-Z]:\\")
"""A path of the machine that a notebook was executed on."""

WITNESS = """
from contextvars import ContextVar

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook


class Witness(BaseCallbackHandler):
    run_inline = True

    def on_chat_model_start(self, *args, run_id, **others):
        with open("model-calls.txt", "a") as file:
            print(run_id, file=file)


register_configure_hook(ContextVar("witness", default=Witness()), inheritable=True)
"""
"""A cell before the first: it sees every call of a model, and nothing of what is recorded."""

RUNNER = """
import sys

import nbformat
from nbclient import NotebookClient

source, first = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
NotebookClient(notebook, timeout=60, resources={"metadata": {"path": "."}}).execute()
nbformat.write(notebook, "executed.ipynb")
"""


@dataclass(frozen=True)
class Executed:
    """A notebook that was executed in a folder of its own."""

    folder: Path
    cells: list[Any]
    complaint: str
    """Why it stopped; empty when it came to its end."""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Executed]:
    """Each notebook in a fresh kernel, side by side, by somebody who has set nothing up."""
    started = {}
    for name, path in NOTEBOOKS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "home").mkdir()
        (folder / "tmp").mkdir()
        clean = {
            "PATH": os.defpath,
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
        }
        started[name] = folder, subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(path), WITNESS],
            cwd=folder, env=clean, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    return {name: finish(*each) for name, each in started.items()}


def finish(folder: Path, process: "subprocess.Popen[str]") -> Executed:
    """Wait for a notebook's end and read it."""
    _, said = process.communicate(timeout=110)
    if process.returncode:
        return Executed(folder, [], said)
    return Executed(folder, read(folder / "executed.ipynb").cells[1:], "")


def read(path: Path) -> Any:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # it has no types


def code_cells(cells: list[Any]) -> Iterator[Any]:
    """Yield the cells that are executed."""
    return (cell for cell in cells if cell.cell_type == "code")


def kinds(cell: Any) -> list[Any]:
    """Say what a cell shows: a stream's name, or the types that a display comes in."""
    found = (output.get("name") or sorted(output.get("data", {})) for output in cell.outputs)
    # A stream comes in one piece or in several, as time will have it.
    return [kind for kind, _ in groupby(found)]


def rows(data: Path, question: str) -> list[Any]:
    """Ask the records of a data folder."""
    connection = sqlite3.connect(data / "records.db")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_when_somebody_new_executes_it(
    executed: Mapping[str, Executed], name: str
) -> None:
    """To the end, without a warning, showing what is stored, and out of its own folder alone."""
    done = executed[name]
    assert done.complaint == ""
    shown = [kinds(cell) for cell in code_cells(done.cells)]
    assert shown == [kinds(cell) for cell in code_cells(read(NOTEBOOKS[name]).cells)]
    assert not [kind for kind in shown if "stderr" in kind]
    assert not (done.folder / "home" / ".assignment-assistant").exists()
    assert len(list((done.folder / "tmp").glob("assignment-assistant-*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_model_call_is_one_record_when_a_notebook_made_it(
    executed: Mapping[str, Executed], name: str
) -> None:
    """Whatever door it came through: assistant, graph in four ways, or somebody's own chain."""
    folder = executed[name].folder
    (data,) = (folder / "tmp").glob("assignment-assistant-*")
    made = (folder / "model-calls.txt").read_text("utf-8").split()
    assert len(made) >= 6
    recorded = rows(data, "SELECT run_id FROM runs WHERE run_type = 'llm'")
    assert sorted(run_id for (run_id,) in recorded) == sorted(made)
    assert rows(data, "SELECT DISTINCT status FROM runs") == [("done",)]
    orphans = "SELECT * FROM runs WHERE root_run_id NOT IN (SELECT run_id FROM runs)"
    assert rows(data, orphans) == []


@pytest.mark.parametrize("name", ["quickstart", "graph_directly"])
def test_notebook_is_worth_reading_when_stored(name: str) -> None:
    """Executed from top to bottom, with what it shows, and nothing of the machine it ran on."""
    notebook = read(NOTEBOOKS[name])
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    cells = list(code_cells(notebook.cells))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= 8
    assert {output.output_type for output in outputs} <= {"stream", "execute_result"}
    assert any("<table" in output.get("data", {}).get("text/html", "") for output in outputs)
    shown = [[*output.get("data", {}).values(), output.get("text", "")] for output in outputs]
    text = "\n".join(part for parts in shown for part in parts)
    assert MACHINE.search(text) is None
    assert str(ROOT) not in text
    assert "Traceback" not in text


def test_name_exists_when_imported_by_a_notebook() -> None:
    """Each name that a notebook or the page imports, and each that `agent` says it has."""
    sources = [cell.source for path in NOTEBOOKS.values() for cell in code_cells(read(path).cells)]
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    trees = [compile(source, "cell", "exec", flags) for source in [*sources, *examples()]]
    imported = {
        alias.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "agent"
        for alias in node.names
    }
    assert {"Assistant", "AsyncAssistant", "Context", "Plan", "Settings"} <= imported
    assert {"Event", "RecordingHandler"} <= set(agent.__all__)
    assert dir(agent) == sorted(agent.__all__)
    for name in imported | set(agent.__all__):
        assert getattr(agent, name).__name__ == name


def examples() -> list[str]:
    """Return the page's examples."""
    return re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_page_runs_when_copied() -> None:
    """The examples of the page are executed as they stand, one after the other."""
    space: dict[str, Any] = {}
    assert len(examples()) == 2
    for example in examples():
        exec(compile(example, "docs/notebooks.md", "exec"), space)  # noqa: S102 - our own page
    assert len(PAGE.splitlines()) <= 50
    assert len(space["runs"]) == 1


def methods(kind: type) -> dict[str, inspect.Signature]:
    """Return the public methods of a class by name."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(each) for name, each in found if not name.startswith("_")}


def test_methods_are_the_same_when_sync_and_async_are_compared() -> None:
    """The same names with the same parameters.

    `close` is the sync one's alone: a notebook holds it open from cell to cell, where no `with`
    can. `warm` is the async one's alone: a server says by it when it is ready.
    """
    sync, wait = methods(Assistant), methods(AsyncAssistant)
    assert sync.keys() ^ wait.keys() == {"close", "warm"}
    shared = sync.keys() & wait.keys()
    assert {"ask", "stream", "give_feedback", "runs"} <= shared
    for name in shared:
        assert sync[name].parameters == wait[name].parameters, name
    assert inspect.signature(Assistant) == inspect.signature(AsyncAssistant)


@pytest.fixture
def assistant(settings: Settings, tmp_path: Path) -> Iterator[Assistant]:
    """An assistant on the offline model, with one note to search."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as opened:
        opened.knowledge.add(tmp_path / "note.md")
        yield opened


def test_parts_are_the_same_when_sync_and_async_are_open(assistant: Assistant) -> None:
    """What a notebook reaches beside the methods: graph, handler, stores and the rest."""

    async def parts() -> set[str]:
        async with AsyncAssistant(assistant.settings) as other:
            return {name for name in vars(other) if not name.startswith("_")}

    found = asyncio.run(parts())
    assert found == {name for name in vars(assistant) if not name.startswith("_")}
    assert {"graph", "handler", "knowledge", "models", "settings", "stores"} <= found


def test_sync_assistant_answers_when_a_loop_runs(assistant: Assistant) -> None:
    """As in a cell of a notebook: `ask`, `stream`, `runs` and both ways into the graph."""

    async def cell() -> tuple[str, str, int]:
        answer = assistant.ask(QUESTION)
        *_, last = assistant.stream(QUESTION)
        assistant.graph.invoke(MESSAGES)
        await assistant.graph.ainvoke(MESSAGES)
        return answer.prompt_type, last.name, len(assistant.runs())

    assert asyncio.run(cell()) == ("chat", "done", 4)


def test_own_chain_is_recorded_when_given_the_handler(assistant: Assistant) -> None:
    """One row for the call of the model, and one for each step of the chain it belongs to."""
    prompt = ChatPromptTemplate.from_template("Explain {term}")
    chain = prompt | assistant.models.choose("chat").model
    chain.invoke({"term": "recursion"}, config={"callbacks": [assistant.handler]})
    kept = "SELECT run_type, status, root_run_id, parent_run_id, run_id FROM runs"
    found = {row[0]: row for row in rows(assistant.settings.data_dir, kept)}
    assert {kind: row[1] for kind, row in found.items()} == dict.fromkeys(
        ("chain", "prompt", "llm"), "done"
    )
    assert found["llm"][2] == found["llm"][3] == found["prompt"][3] == found["chain"][4]


def test_rows_are_not_doubled_when_the_graph_is_given_its_handler(assistant: Assistant) -> None:
    """The graph has it already; the same handler hears an event once."""
    assistant.graph.invoke(MESSAGES)
    once = rows(assistant.settings.data_dir, "SELECT run_type, status FROM runs")
    assistant.graph.invoke(MESSAGES, config={"callbacks": [assistant.handler]})
    twice = rows(assistant.settings.data_dir, "SELECT run_type, status FROM runs")
    assert sorted(twice) == sorted(once * 2)
    assert once.count(("llm", "done")) == 1
