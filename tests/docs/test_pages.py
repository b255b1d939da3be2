"""What the pages show is executed: Python, curl, the map of files, the errors."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.blocking import Assistant
from agent.errors import AssistantError
from agent.knowledge import bundled_assignments
from agent.settings import Settings
from server import create_app
from tests.test_server import serving, wait_until_ready

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
HTTP = (ROOT / "docs" / "http.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose index holds the bundled past assignments."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("pages"))
    with Assistant(settings) as assistant:
        assistant.knowledge.add(bundled_assignments())
    return settings


def test_python_runs_when_copied_from_the_readme(
    indexed: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example is executed as it stands."""
    monkeypatch.setenv("ASSIST_DATA_DIR", str(indexed.data_dir))
    examples = re.findall(r"```python\n(.*?)```", README, re.S)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert "task" in capsys.readouterr().out


def test_curl_answers_when_copied_from_the_pages(indexed: Settings) -> None:
    """Each call is executed as it stands, in order, against a running server."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    calls = re.findall(r"^(curl .*?[^\\])$", f"{README}\n{HTTP}", re.S | re.M)
    kinds = ["-sN" in call for call in calls]
    assert kinds.count(True) >= 2
    assert kinds.count(False) >= 3
    run_id = document_id = ""
    with serving(indexed) as client:
        wait_until_ready(client)
        for call in calls:
            here = call.replace(ADDRESS, str(client.base_url).rstrip("/"))
            here = here.replace("$RUN", run_id).replace("$DOCUMENT", document_id)
            command = shlex.split(here.replace("\\\n", " "))
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            if "/feedback" in call:
                assert json.loads(printed)["rating"] == "positive"
                continue
            if "/sources/" in call:
                assert json.loads(printed)["document_id"] == document_id
                continue
            answer = last_event(printed) if "-sN" in call else json.loads(printed)
            assert answer["ai_generated"] is True
            assert answer["sources"]
            run_id, document_id = answer["run_id"], answer["sources"][0]["document_id"]


def last_event(printed: str) -> dict[str, Any]:
    """Return the data of the last event, which has to be `done`."""
    *_, event = [block for block in re.split(r"\r?\n\r?\n", printed) if "event: " in block]
    assert "event: done" in event
    found: dict[str, Any] = json.loads(event.partition("data: ")[2])
    return found


def test_map_names_real_places_when_read() -> None:
    """Every file of the README's map exists, and every top-level package stands in it."""
    table = README.partition("| place | what it is |")[2]
    cells = re.findall(r"^\| (.+?) \|", table, re.M)[1:]
    for cell in cells:
        names = re.findall(r"`([^`]+)`", cell)
        base = Path(names[0]).parent if names[0].startswith("agent/") else Path()
        for name in names:
            assert (ROOT / name).exists() or (ROOT / base / name).exists(), name
    packages = {path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")}
    assert all(f"agent/{name}/" in table for name in packages)


def test_error_stands_on_the_page_when_it_has_a_code() -> None:
    """Each error's code is described, and so is each route."""
    kinds: list[type[AssistantError]] = [AssistantError, *_below(AssistantError)]
    assert len(kinds) > 5
    assert [kind.code for kind in kinds if f"`{kind.code}`" not in HTTP] == []
    paths = create_app(Settings()).openapi()["paths"]
    assert [path for path in paths if f"{path}`" not in HTTP] == []


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem
)
def test_decision_is_short_when_written(page: Path) -> None:
    """Ten lines or so: a title, a date, the reason."""
    lines = page.read_text("utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 16


def _below(kind: type[AssistantError]) -> list[type[AssistantError]]:
    return [sub for child in kind.__subclasses__() for sub in (child, *_below(child))]
