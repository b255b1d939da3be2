"""No byte of what people wrote stands in clear in any file of the data directory."""

import base64
import json
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from agent.blocking import Assistant
from agent.errors import DamagedError
from agent.knowledge import bundled_assignments
from agent.recording import importing
from agent.recording.run_store import Run
from agent.requests import Options
from agent.settings import Settings
from agent.stores import Stores

STEM = "zw\u00f6lfk\u00fcrbis"
MARKERS = [f"{STEM}{number:02d}x" for number in range(40)]
_CHILD = """
import sys
from pathlib import Path
from agent.settings import Settings
from tests.test_vault_bytes import MARKERS, converse, opened
with opened(Settings(data_dir=Path(sys.argv[1]))) as assistant:
    while True:
        converse(assistant, MARKERS)
        print("said", flush=True)
"""


def forms_of(word: str) -> dict[str, list[bytes]]:
    """Return a word as bytes in eight encodings; in base64 it depends on what stands before it."""
    plain = word.encode()
    return {
        "UTF-8": [plain],
        "UTF-16 LE": [word.encode("utf-16-le")],
        "UTF-16 BE": [word.encode("utf-16-be")],
        "base64": [_aligned(plain, before) for before in range(3)],
        "hexadecimal": [plain.hex().encode(), plain.hex().upper().encode()],
        "URL": [quote(word).encode()],
        "JSON escapes": [json.dumps(word)[1:-1].encode()],
        "reversed": [plain[::-1], word[::-1].encode()],
    }


def _aligned(plain: bytes, before: int) -> bytes:
    """Return what base64 makes of a word behind some bytes, without what depends on them."""
    whole = plain[: (len(plain) - (3 - before) % 3) // 3 * 3 + (3 - before) % 3]
    return base64.b64encode(b"\x00" * before + whole)[4 if before else 0 :]


def found_in(folder: Path) -> dict[str, set[str]]:
    """Return the encodings in which a marker stands in a file, by the file's name.

    The stem is looked for first; where it is nowhere, no marker is.
    """
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for name, forms in forms_of(STEM).items():
            if any(form in content for form in forms):
                found.setdefault(str(path.relative_to(folder)), set()).add(name)
    return found


def markers_in(content: bytes) -> int:
    """Return how many markers stand there in UTF-8."""
    return sum(marker.encode() in content for marker in MARKERS)


def opened(settings: Settings) -> Assistant:
    """Open an assistant whose local person consents."""
    assistant = Assistant(settings)
    assistant.stores.consent.decide(assistant.stores.user_id, "given", door="python")
    return assistant


def converse(assistant: Assistant, markers: list[str]) -> None:
    """Plan, chat, ask for code and say what one thinks, with all markers in it."""
    at = len(markers) // 4
    brief = f"# Count {markers[0]}\n\nWrite a program that counts {' '.join(markers[:at])}."
    plan = assistant.ask(brief, prompt_type="planning")
    on: Options = {"thread_id": plan.thread_id, "assignment_id": plan.assignment_id}
    assistant.ask(f"What is a stack of {' '.join(markers[at : 2 * at])}?", **on)
    on["prompt_type"] = "codegen"
    code = assistant.ask(f"Show me a loop over {' '.join(markers[2 * at : 3 * at])}", **on)
    comment = f"Too long for {' '.join(markers[3 * at :])}"
    assistant.give_feedback(code.run_id, rating="negative", score=2, comment=comment)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the bundled past assignments."""
    folder = tmp_path_factory.mktemp("indexed") / "data"
    with Assistant(Settings(data_dir=folder)) as assistant:
        assistant.knowledge.add(bundled_assignments())
    return folder / "index"


@pytest.fixture
def data(settings: Settings, indexed: Path) -> Path:
    """A data directory with the index alone."""
    shutil.copytree(indexed, settings.data_dir / "index")
    return settings.data_dir


@pytest.mark.parametrize(
    ("rounds", "runs"), [(2, 20), pytest.param(50, 500, marks=pytest.mark.slow)]
)
def test_no_text_is_found_when_the_files_are_read(
    settings: Settings, data: Path, rounds: int, runs: int
) -> None:
    """Requests, briefs, plans, answers, feedback, memory: while it runs, and after its end."""
    with opened(settings) as assistant:
        for _ in range(rounds):
            converse(assistant, MARKERS)
            assert found_in(data) == {}
        assert count_runs(assistant) >= runs
        assert {path.name for path in data.iterdir()} >= {"records.db", "records.db-wal"}
        assert MARKERS[0] in assistant.stores.assignments.all_of(assistant.stores.user_id)[0].brief
        assert any(MARKERS[0] in (run.prompt or "") for run in assistant.stores.runs.latest(None))
    assert found_in(data) == {}


def test_no_text_is_found_when_the_process_was_killed(data: Path) -> None:
    """What a dead process leaves in the write-ahead logs is sealed too."""
    command = [sys.executable, "-c", _CHILD, str(data)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "said\n"
        process.kill()
    assert (data / "records.db-wal").stat().st_size > 0
    assert found_in(data) == {}


def test_every_text_is_found_when_there_is_no_vault(settings: Settings, data: Path) -> None:
    """The control: without the seal, each marker stands there."""
    with opened(settings) as assistant:
        assistant.stores.database.info.clear()
        converse(assistant, MARKERS)
        contents = b"".join(path.read_bytes() for path in data.glob("records.db*"))
        assert markers_in(contents) == len(MARKERS)
        assert "UTF-8" in found_in(data)["records.db-wal"]


@pytest.mark.parametrize("encoding", forms_of(STEM))
def test_marker_is_found_when_a_file_holds_it(tmp_path: Path, encoding: str) -> None:
    """Another control: each encoding is looked for, wherever the text begins."""
    for marker in MARKERS[::13]:
        for before in range(4):
            text = f"{'-' * before}{marker} and more"
            (tmp_path / "file").write_bytes(b"\x00" + written(text, encoding))
            assert encoding in found_in(tmp_path)["file"]


def written(text: str, encoding: str) -> bytes:
    """Write a text as a store might."""
    plain = text.encode()
    return {
        "UTF-8": plain,
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "base64": base64.b64encode(plain),
        "hexadecimal": plain.hex().encode(),
        "URL": quote(text).encode(),
        "JSON escapes": json.dumps(text).encode(),
        "reversed": plain[::-1],
    }[encoding]


def test_answer_is_an_error_of_ours_when_the_assignment_was_damaged(
    settings: Settings, data: Path
) -> None:
    """Nothing else of it is told, and other assignments go on."""
    assert data.exists()
    with opened(settings) as assistant:
        plan = assistant.ask("# Stack\n\nWrite a stack in Python.", prompt_type="planning")
        with assistant.stores.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE assignments SET brief = 'planted'")
        with pytest.raises(DamagedError) as refusal:
            assistant.ask("Why a list?", assignment_id=plan.assignment_id)
        assert refusal.value.status == 409
        assert "planted" not in str(refusal.value)
        assert assistant.ask("What is a list?").text


def test_nothing_waits_in_clear_when_lines_are_imported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file in which they wait is sealed too; of a person who was erased, the figures come."""
    waiting = tmp_path / "waiting"
    monkeypatch.setattr(importing, "TemporaryFile", waiting.open)
    stores = Stores.open(settings)
    stores.vault.keys.admit("erased person")
    stores.vault.keys.destroy("erased person")
    lines = [line_of("somebody new", "a"), line_of("erased person", "b")]
    report = importing.import_lines(stores.database, BytesIO(b"".join(lines)))
    first, second = stores.runs.oldest_first()
    stores.close()
    assert (report.written, first.prompt) == (2, f"Explain {MARKERS[0]}")
    assert (second.user_id, second.content, second.prompt) == ("erased", "erased", None)
    assert second.input_tokens == 7
    assert waiting.stat().st_size > 0
    assert found_in(tmp_path) == {}


def line_of(user_id: str, session: str) -> bytes:
    """Make a line of the specification's log."""
    said = {
        "timestamp": f"2026-11-22T12:00:0{int(session, 16) - 10}Z",
        "session_id": session,
        "user_id": user_id,
        "model": "gpt-4",
        "prompt_type": "chat",
        "input_tokens": 7,
        "output_tokens": 7,
        "total_cost": 0.1,
        "prompt": f"Explain {MARKERS[0]}",
        "response": MARKERS[1],
        "metadata": {},
    }
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def count_runs(assistant: Assistant) -> int:
    """Count what was recorded."""
    with assistant.stores.database.read() as session:
        return session.scalar(select(func.count()).select_from(Run)) or 0
