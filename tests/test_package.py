"""What is shipped: the wheel holds everything that is read at run time; the lock names no host."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_is_complete_when_built(tmp_path: Path) -> None:
    """Prompts, migrations, wordings, the demo and the past assignments are in it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "server.py",
        "prompts/active.toml",
        "prompts/planner/v1.md",
        "agent/demo-assignment.md",
        "agent/privacy/consent-v1.md",
        "agent/migrations/env.py",
        "agent/migrations/versions/0001_first_tables.py",
        "agent/examples/fastapi-student-records-api.md",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "examples/"))]


def test_lock_pins_by_hash_when_read() -> None:
    """Every package is pinned and hashed, and no index address stands in the file."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    packages = re.findall(r"^[a-z0-9].*$", lock, re.M)
    assert len(packages) > 100
    assert all("==" in package for package in packages)
    assert lock.count("--hash=sha256:") > len(packages)
    assert "://" not in lock


def test_direct_dependencies_hold_the_missions_packages_when_read() -> None:
    """The eight packages of the mission are direct dependencies."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in (
        "langchain", "langgraph", "langchain-openai", "langsmith",
        "chromadb", "pydantic", "fastapi", "pytest",
    ):  # fmt: skip
        assert re.search(rf'"{name}[><=]', project)
