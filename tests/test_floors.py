"""The house: imports run down, importing costs nothing, files and functions stay small."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"server": 5, "routes": 4, "agent": 3, "graphs": 2, "retrieval": 1, "prompts": 1}
# Within agent/, from the ground up; a module imports only what stands before it.
ROOMS = (
    "errors", "settings", "database", "courses", "privacy", "assignments", "prices", "recording",
    "stores", "serde", "checkpoints", "threads", "thread_book", "models", "knowledge",
    "evaluation", "insight", "holdings", "erasure", "retention", "answer", "requests",
    "admission", "outcome", "events", "assistant", "blocking", "studio", "display", "doctor",
    "demo", "cli",
)  # fmt: skip
MODULES = sorted(
    path
    for floor in FLOORS
    for path in [*(ROOT / floor).rglob("*.py"), ROOT / f"{floor}.py"]
    if path.is_file() and "migrations" not in path.parts
)
MAX_FILE = 400
MAX_FUNCTION = 60
UNOWNED = {"utils", "helpers", "common", "misc", "nodes", "types"}


def parse(path: Path) -> ast.Module:
    """Read a module's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield every module that is imported anywhere in a tree, type checking left aside."""
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_down_when_modules_are_read(path: Path) -> None:
    """Prompts and retrieval do not know each other; nothing knows what is above it."""
    floor = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(parse(path)):
        target = name.partition(".")[0]
        if target in FLOORS and target != floor:
            assert FLOORS[target] < FLOORS[floor], f"{path} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if "agent" in p.parts], ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_run_down_inside_agent_when_modules_are_read(path: Path) -> None:
    """The rooms of agent/ stand in one order."""
    parts = path.relative_to(ROOT / "agent").with_suffix("").parts
    if parts[0] == "__init__":
        return
    for name in imported(parse(path)):
        room = name.split(".")[1] if name.startswith("agent.") else parts[0]
        assert ROOMS.index(room) <= ROOMS.index(parts[0]), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small_when_measured(path: Path) -> None:
    """A file that cannot be read in one sitting has a second room inside."""
    assert path.stem not in UNOWNED
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
            assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{path}: {node.name}"


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import agent", {"langchain_core", "langgraph", "chromadb", "pydantic", "sqlalchemy"}),
        ("import agent.cli", {"langchain_core", "langgraph", "chromadb", "sqlalchemy", "fastapi"}),
        ("import server", {"langchain_core", "langgraph", "chromadb", "sqlalchemy", "openai"}),
        ("import retrieval", {"chromadb", "wordllama", "langchain_core", "numpy"}),
        ("import agent.blocking", {"chromadb", "wordllama", "openai", "langchain"}),
    ],
)
def test_import_is_light_when_started(statement: str, heavy: set[str]) -> None:
    """Nothing heavy is loaded before it is needed."""
    probe = f"import sys; {statement}; print(*{heavy!r} & sys.modules.keys())"
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == ""
