"""The terminal: facts as JSON, errors as one sentence, exit codes that mean something."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

from agent.cli import main
from agent.models.served import ServedModel
from tests.agent.test_assistant import BRIEF, NOTE
from tests.fakes import ScriptedChatModel, reply


class Outcome(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as JSON."""
        return json.loads(self.out)


Assist = Callable[..., Outcome]


@pytest.fixture
def assist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Assist:
    """Run a command in this process."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["assist", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A document to index."""
    path = tmp_path / "note.md"
    path.write_text(NOTE, "utf-8")
    return path


@pytest.fixture
def brief(tmp_path: Path) -> Path:
    """An assignment to plan."""
    path = tmp_path / "brief.md"
    path.write_text(BRIEF, "utf-8")
    return path


def test_index_changes_nothing_when_the_same_is_added_again(assist: Assist, note: Path) -> None:
    """The report counts what was added, changed and left alone."""
    assert assist("index", "add", note, "--json").json["added"] == 1
    assert assist("index", "add", note).out == "0 added, 0 changed, 1 unchanged\n"
    assert assist("index", "stats", "--json").json["documents"] == 1
    assert "documents    1" in assist("index", "stats").out
    assert assist("index", "search", "count words", "--json").json[0]["title"] == "Counting"
    assert "Counting" in assist("index", "search", "count words in Python").out
    assert assist("index", "search", "chocolate cake").out == "No past assignment fits.\n"
    assert assist("index", "rebuild").out == "1 chunks embedded again\n"


def test_files_of_one_name_stay_apart_when_added_from_two_folders(
    assist: Assist, tmp_path: Path
) -> None:
    """Every course has a `lab1.md`; adding the second loses nothing of the first."""
    for name, topic in (("algorithms", "Dijkstra's shortest path"), ("systems", "a small shell")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab1.md").write_text(f"# Lab\n\nImplement {topic} in C.", "utf-8")
        assert assist("index", "add", tmp_path / name, "--json").json["added"] == 1
    assert assist("index", "stats", "--json").json["documents"] == 2


def test_plan_is_printed_when_a_file_is_given(assist: Assist, note: Path, brief: Path) -> None:
    """As JSON the plan alone; for people a table with the critical path."""
    assist("index", "add", note)
    plan = assist("plan", brief, "--json").json
    assert plan["title"] == "Word counter"
    assert plan["estimated_total_duration"] == sum(t["estimated_duration"] for t in plan["tasks"])
    shown = assist("plan", brief).out
    assert "critical path" in shown
    assert "wordcount.py" in shown


def test_plan_is_printed_when_piped_in(
    assist: Assist, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash reads standard input."""
    assist("index", "add", note)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BRIEF.encode())))
    assert assist("plan", "-", "--json").json["title"] == "Word counter"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00")))
    assert assist("plan", "-") == (2, "", "assist: Standard input is not UTF-8 text.\n")


def test_answer_is_printed_when_asked(assist: Assist, note: Path) -> None:
    """Text, sources, notice, model, tokens, cost, run and thread."""
    assist("index", "add", note)
    answer = assist("ask", "How do I count words in Python?", "--json").json
    assert answer["ai_generated"] is True
    shown = assist("ask", "And then?", "--thread", answer["thread_id"]).out
    assert f"thread {answer['thread_id']}" in shown
    assert "AI-generated" in shown
    assert "cost $0.000000" in shown


def test_code_is_written_when_a_folder_is_named(assist: Assist, note: Path, tmp_path: Path) -> None:
    """Files land below the folder, and none is overwritten."""
    assist("index", "add", note)
    out = tmp_path / "out"
    first = assist("code", "Write a Python function count_words(text)", "--write", out)
    assert first.code == 0
    written = [path for path in out.rglob("*") if path.is_file()]
    assert written
    assert all("AI-generated" in path.read_text("utf-8") for path in written)
    again = assist("code", "Write a Python function count_words(text)", "--write", out)
    assert again.code == 2
    assert "exists. Nothing was written" in again.err
    refused = assist("code", "Write a Python function count_words(text)", "--write", "/proc/no")
    assert "cannot be written" in refused.err


def test_record_can_be_read_when_something_ran(assist: Assist, note: Path, tmp_path: Path) -> None:
    """List, show, export and the daily report speak of the same run."""
    assist("index", "add", note)
    answer = assist("ask", "How do I count words in Python?", "--json").json
    (listed,) = assist("logs", "list", "--json").json
    assert listed["metadata"]["trace_id"] == answer["run_id"]
    assert "chat_answer" in assist("logs", "list").out
    assert assist("logs", "show", answer["run_id"], "--json").json == [listed]
    assert assist("logs", "show", listed["metadata"]["run_id"], "--json").json == [listed]
    assert "- Processing Time: " in assist("logs", "show", answer["run_id"]).out
    assert json.loads(assist("logs", "export").out) == listed
    assist("logs", "export", "--output", tmp_path / "log.jsonl")
    assert json.loads((tmp_path / "log.jsonl").read_text("utf-8")) == listed
    entries = assist("audit", "list", "--subject", listed["user_id"], "--json").json
    assert [entry["object_ids"] for entry in entries] == [[listed["metadata"]["run_id"]]] * 5
    day = listed["timestamp"][:10]
    report = assist("report", "daily", "--date", day, "--json").json
    assert report["total"]["count"] == 1
    assert report["categories"][0]["category"] == "chat"
    assert "Chat" in assist("report", "daily").out
    assert assist("logs", "verify").out.endswith("ok\n")


def test_demo_does_the_main_job_when_run(assist: Assist) -> None:
    """Index, plan with its critical path, sourced answer, attributed code, record, places."""
    shown = assist("demo")
    assert shown.code == 0
    for part in (
        "30 added",
        "critical path",
        "due 2",
        "[1]",
        "No language model was called",
        "# AI-generated by Assignment Assistant",
        "class Booking",
        "plan_generation",
        "$0.000000",
        "nobody gave consent",
        "records.db",
    ):
        assert part in " ".join(shown.out.split()), part
    assist("consent", "give")
    assert "you gave consent" in assist("demo").out


def test_draft_is_printed_when_it_failed_its_check(
    assist: Assist, note: Path, brief: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence goes to standard error, the draft to standard output: nothing is lost."""
    assist("index", "add", note)
    model = ScriptedChatModel(replies=[reply("Sorry, no plan.")])
    monkeypatch.setattr(
        "agent.models.catalogue.ModelCatalogue.choose",
        lambda *_, **__: ServedModel("openai:gpt-4o", model, 100_000, 1_000),
    )
    outcome = assist("plan", brief)
    assert (outcome.code, outcome.out) == (1, "Sorry, no plan.\n")
    assert "failed its check 2 times" in outcome.err


def test_thread_goes_on_when_the_process_was_restarted(note: Path, tmp_path: Path) -> None:
    """Two processes, one thread: the second knows what the first was asked."""
    command = [str(Path(sys.executable).parent / "assist")]

    def run(*arguments: str) -> str:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout

    run("index", "add", str(note))
    first = json.loads(run("ask", "How do I count words in Python?", "--json"))
    second = json.loads(run("ask", "And then?", "--thread", first["thread_id"], "--json"))
    assert "How do I count words in Python?" in second["text"]


def test_nothing_is_said_to_be_recorded_when_nothing_ran(assist: Assist) -> None:
    """An empty record is a sentence, not an empty table."""
    assert assist("logs", "list").out == "Nothing is recorded yet.\n"


def test_server_is_started_when_asked(assist: Assist, monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback alone, on the port that was named."""
    started: list[uvicorn.Config] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server: started.append(server.config))
    assert "http://127.0.0.1:8123" in assist("serve", "--port", "8123").err
    (config,) = started
    assert (config.app, config.host, config.port) == ("server:create_app", "127.0.0.1", 8123)


def test_consent_is_shown_when_decided(assist: Assist) -> None:
    """Asked, given, withdrawn."""
    assert "Consent not given." in assist("consent").out
    assert assist("consent", "give", "--json").json["given"] is True
    assert "Consent given on 20" in assist("consent").out
    assert "Consent withdrawn on 20" in assist("consent", "withdraw").out


def test_consent_is_to_a_courses_wording_when_it_is_named(assist: Assist, tmp_path: Path) -> None:
    """What was agreed to in one course is no agreement in another; a withdrawal is of all."""
    courses = tmp_path / "data" / "courses"
    courses.mkdir(parents=True)
    (courses / "prog1.toml").write_text('consent_text = "wording.md"\nconsent_days = 7\n', "utf-8")
    (courses / "wording.md").write_text("In Programming 1, we read along.", "utf-8")
    assert "Programming 1" in assist("consent", "--course", "prog1").out
    assert "Programming 1" in assist("consent", "give", "--course", "prog1").out
    assert assist("consent", "--course", "prog1", "--json").json["text_version"] == "prog1"
    elsewhere = assist("consent")
    assert "Programming 1" not in elsewhere.out
    assert "was to another wording" in elsewhere.out
    assert "Consent withdrawn on 20" in assist("consent", "withdraw").out
    assert assist("consent", "--course", "prog1", "--json").json["state"] == "withdrawn"
    assert assist("consent", "--course", "prog1", "give", "--json").json["text_version"] == "prog1"


def test_consent_can_be_withdrawn_when_no_course_can_be_read(
    assist: Assist, tmp_path: Path
) -> None:
    """A broken file, or a name that none can have, is said to whoever agrees and to them alone."""
    assist("consent", "give")
    assert "cannot be the name" in assist("consent", "give", "--course", "No Such").err
    assert assist("consent", "withdraw", "--course", "No Such", "--json").json["given"] is False
    assist("consent", "give")
    (tmp_path / "data" / "courses").mkdir()
    (tmp_path / "data" / "courses" / "prog1.toml").write_text("nonsense", "utf-8")
    refused = assist("consent", "give")
    assert (refused.code, "prog1.toml" in refused.err) == (2, True)
    assert assist("consent", "withdraw", "--json").json["state"] == "withdrawn"


def test_doctor_names_what_is_wrong_when_a_store_is_broken(assist: Assist, tmp_path: Path) -> None:
    """Every setting and every finding; a failure is exit code 1."""
    healthy = assist("doctor")
    assert healthy.code == 0
    assert "ASSIST_DATA_DIR" in healthy.out
    assert "ok   index: open but empty" in healthy.out
    assert {f["what"] for f in assist("doctor", "--json").json["findings"]} == {
        "records", "keys", "index", "embeddings", "models", "prices",
    }  # fmt: skip
    (tmp_path / "data" / "records.db").write_text("broken " * 100, "utf-8")
    sick = assist("doctor")
    assert sick.code == 1
    assert "FAIL records" in sick.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", ""), "The message is empty"),
        (("ask", "hi", "--type", "poem"), "'poem' is not known"),
        (("ask", "hi", "--thread", "x"), "'x' is not a UUID"),
        (("ask", "hi"), "assist index add"),
        (("ask", "hi", "--model", "a:b"), "not in the catalogue"),
        (("plan", "nowhere.md"), "nowhere.md"),
        (("plan", "."), "is a folder"),
        (("index", "search", "x"), "assist index add"),
        (("index", "add", "nowhere"), "nowhere"),
        (("logs", "list", "--limit", "0"), "greater than or equal to 1"),
        (("logs", "show", "nope"), "no recorded run 'nope'"),
        (("report", "daily", "--date", "soon"), "'soon' is not a date"),
        (("logs", "export", "--output", "/proc/nowhere/log"), "cannot be written"),
        (("frobnicate",), "No such command"),
    ],
)
def test_call_is_refused_when_it_is_wrong(
    assist: Assist, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, one sentence on standard error, no traceback."""
    outcome = assist(*arguments)
    assert outcome.code == 2
    assert said in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\x00\x01\x02\xff", ""), (b"x" * 1_000_001, "")],
)
def test_file_is_refused_when_it_is_no_text(
    assist: Assist, tmp_path: Path, content: bytes, said: str
) -> None:
    """Empty, binary and huge files are named with what to do."""
    (tmp_path / "bad.md").write_bytes(content)
    outcome = assist("plan", tmp_path / "bad.md")
    assert outcome.code == 2
    assert "bad.md" in outcome.err
    assert said in outcome.err


def test_title_is_the_files_name_when_its_headings_say_nothing(
    assist: Assist, note: Path, tmp_path: Path
) -> None:
    """A brief headed 'Instructions', with a comment in its code, is called by its file's name."""
    (tmp_path / "etl.md").write_text("# Instructions\n\n```sh\n# Setup\n```\nCount words.", "utf-8")
    assist("index", "add", note)
    assert assist("plan", tmp_path / "etl.md", "--json").json["title"] == "etl"


def test_file_is_refused_when_it_holds_many_assignments(assist: Assist, tmp_path: Path) -> None:
    """One plan is for one assignment."""
    (tmp_path / "all.jsonl").write_text('{"text": "a lab"}\n{"text": "b lab"}\n', "utf-8")
    outcome = assist("plan", tmp_path / "all.jsonl")
    assert (outcome.code, "holds 2 documents" in outcome.err) == (2, True)


def test_doctor_says_more_when_the_index_is_filled(
    assist: Assist, note: Path, tmp_path: Path
) -> None:
    """What the index holds; and a fault nobody foresaw is reported, not raised."""
    assist("index", "add", note)
    assert "ok   index: 1 documents" in assist("doctor").out
    shutil.rmtree(tmp_path / "data" / "index")
    (tmp_path / "data" / "index").write_text("not a folder", "utf-8")
    sick = assist("doctor")
    assert (sick.code, "FAIL index" in sick.out) == (1, True)


def test_setting_is_refused_when_misspelt(assist: Assist, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in the environment is never ignored."""
    monkeypatch.setenv("ASSIST_DATADIR", "here")
    outcome = assist("consent")
    assert outcome.code == 2
    assert "Did you mean ASSIST_DATA_DIR?" in outcome.err


def test_crash_leaves_as_a_sentence_when_nobody_expected_it(
    assist: Assist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault of our own prints no traceback and none of its words."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("agent.stores.Stores.open", fail)
    outcome = assist("consent")
    assert outcome.code == 1
    assert "ZeroDivisionError" in outcome.err
    assert "secret" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["ask", "hi"], 1), (["consent"], 1)]
)
def test_command_ends_when_its_stores_are_broken(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    """The installed command says what is wrong and leaves; nothing keeps it from exiting."""
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "records.db").write_text("broken " * 100, "utf-8")
    command = [str(Path(sys.executable).parent / "assist"), *arguments]
    result = subprocess.run(  # noqa: PLW1510 - the code is what is checked
        command, capture_output=True, text=True, cwd=tmp_path, timeout=30
    )
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert ("records.db" in result.stderr) == bool(code)
