"""The page on model servers: its settings, codes, faults, commands and tests are the real ones."""

import ast
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.doctor import Finding, examine
from agent.errors import AssistantError
from agent.settings import Settings, variable_name
from tests.agent.models.test_served import FAULTS
from tests.servers.openai import Fault, OpenAIServer
from tests.servers.running import running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text("utf-8")
HERE = "127.0.0.1:9000"
STARTED = re.compile(r"^(\.venv/bin/python -m tests\.servers\.\w+) --port (\d+)\n# (.+)$", re.M)


def rows_below(heading: str) -> Iterator[list[str]]:
    """Yield the rows of the table below a heading, without its two head lines."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^\| (.+) \|$", section, re.M)[1:]:
        yield line.split(" | ")


def test_setting_exists_when_the_page_names_it() -> None:
    """In prose, in examples and in what is printed."""
    known = {variable_name(field) for field in Settings.model_fields}
    named = set(re.findall(r"\b(?:ASSIST|OPENAI|LANGSMITH)_[A-Z_]+\b", PAGE))
    for_tests = {name for name in named if name.startswith("ASSIST_TEST_")}
    assert named - for_tests <= known
    assert len(named - for_tests) > 10
    conftest = (ROOT / "tests" / "live" / "conftest.py").read_text("utf-8")
    assert [name for name in for_tests if f'"{name}"' not in conftest] == []


def test_code_has_its_status_when_the_page_names_it() -> None:
    """Each error code with its HTTP status."""
    kinds: list[type[AssistantError]] = [AssistantError, *_below(AssistantError)]
    known = {(kind.code, kind.status) for kind in kinds}
    named = {(code, int(status)) for code, status in re.findall(r"`(\w+)` \((\d+)\)", PAGE)}
    assert named <= known
    assert len(named) > 3


def test_faults_are_those_of_the_tests_when_the_page_lists_them() -> None:
    """What was tried is what is told: the status of each row, the code, the further tries."""
    told = set()
    for fault, _, streamed, status, code, again in rows_below("Retries and deadlines"):
        for way in {"yes": [True], "no": [False], "either": [False, True]}[streamed]:
            told.add((fault, way, status, code.partition(" ")[0], again == "yes"))
    tried = {
        (f"`{fault}`", streamed, f"`{status}`", f"`{code}`", calls > 1)
        for fault, streamed, code, _, status, calls in FAULTS
    }
    assert told == tried
    (offered,) = re.findall(r"`--fault ([\w|]+)`", PAGE)
    assert sorted(offered.split("|")) == sorted(get_args(Fault))


def test_doctor_says_what_the_page_shows_when_asked(tmp_path: Path) -> None:
    """Of the server on the page, well and with a model that it has not."""
    good, bad = re.findall(r"```text\n(.+?)\n```", PAGE, re.S)
    with running(OpenAIServer().app) as base:
        given: dict[str, Any] = {"data_dir": tmp_path / "data", "openai_base_url": f"{base}/v1"}
        well = [one for one in examine(Settings(**given)) if one.what != "keys"]  # another page's
        ill = examine(Settings(**given, fast_model="openai:llama3.1:8b"))
    host = base.removeprefix("http://")
    assert [_line(finding).replace(host, HERE) for finding in well] == good.splitlines()
    assert _line(ill[-1]).replace(host, HERE) == bad


@pytest.mark.parametrize("line", STARTED.findall(PAGE), ids=lambda line: line[1])
def test_server_says_what_to_set_when_started_as_the_page_says(line: tuple[str, str, str]) -> None:
    """The command is run on a free port, and prints what the page shows."""
    command, port, says = line
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = str(free.getsockname()[1])
    arguments = [sys.executable, *shlex.split(command)[1:], "--port", other]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        printed = server.stdout.readline().strip()
        server.terminate()
        server.communicate()
    assert printed.replace(other, port) == says


def test_commands_are_found_when_the_page_shows_them() -> None:
    """Every command that starts a server is one of those that are run."""
    assert len(STARTED.findall(PAGE)) == PAGE.count("python -m tests.servers.") == 2


def test_live_test_exists_when_the_page_names_it() -> None:
    """Whoever has a key can try what never ran."""
    rows = list(rows_below("What never ran against the real thing"))
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row[2])}
    files = [(ROOT / file) for file in re.findall(r"`(tests/live/\w+\.py)`", PAGE)]
    defined = {
        node.name
        for file in files
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert all(len(row) == 3 for row in rows)
    assert len(named) > 5
    assert named <= defined


def _line(finding: Finding) -> str:
    """Write a finding as `assist doctor` prints it."""
    return f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}"


def _below(kind: type[AssistantError]) -> list[type[AssistantError]]:
    return [sub for child in kind.__subclasses__() for sub in (child, *_below(child))]
