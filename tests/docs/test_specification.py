"""The ledger names only tests that exist, and quotes every promise of the specification."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEDGER = (ROOT / "docs" / "specification.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?!promise|---)([^|]+) \| ([^|]+) \| ([^|]*) ?\|$", LEDGER, re.M)
SPECIFICATION = ROOT.parent / "shared" / "reference" / "llm-interaction-logs.md"
POLICY = (1, 20)
IMPROVEMENTS = (590, 700)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_row_names_real_tests_when_it_is_closed(row: tuple[str, str, str]) -> None:
    """A row is open, or every test it names exists."""
    shown_by = row[1].strip()
    if shown_by == "open":
        return
    names = re.findall(r"`([^`]+)`", shown_by)
    assert names, f"{row[0]}: neither open nor a test"
    for name in names:
        file, _, test = name.partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        defined = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        assert test in defined, f"{row[0]}: {name} does not exist"


def test_promise_has_a_row_when_the_specification_makes_it() -> None:
    """Every bullet of the policy, ethics and improvement sections is quoted in the ledger."""
    if not SPECIFICATION.is_file():
        pytest.skip(f"the specification is not at {SPECIFICATION}")
    lines = SPECIFICATION.read_text("utf-8").splitlines()
    asked = [*lines[slice(*POLICY)], *lines[slice(*IMPROVEMENTS)]]
    promises = [m[1] for line in asked if (m := re.match(r"\s*- (?!\*\*)(.+)", line))]
    assert len(promises) >= 35
    quoted = {row[0].strip() for row in ROWS}
    assert [promise for promise in promises if promise not in quoted] == []
