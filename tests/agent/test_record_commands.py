"""`assist logs` and `assist report`: what was recorded, elsewhere too, and what it comes to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.database import Database
from agent.errors import InputError
from agent.recording.run_store import RunStore
from agent.settings import Settings
from tests.agent.insight.test_usage import call

SAMPLES = Path(__file__).parent / "recording" / "samples.jsonl"
SAMPLE_DAY = (
    ("planning", 15, 12_500, 0.25),
    ("chat", 45, 18_000, 0.36),
    ("codegen", 8, 8_800, 0.18),
)
"""The specification's: category, interactions, tokens, dollars."""

Assist = Callable[..., Result]


@pytest.fixture
def assist() -> Assist:
    """Run a command."""

    def run(*arguments: str | Path, **options: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

    return run


@pytest.fixture
def store(settings: Settings) -> Any:
    """The records that the commands read."""
    database = Database.open(settings.records_url)
    yield RunStore(database)
    database.close()


def sample_day() -> str:
    """Make the interactions of the specification's sample day."""
    lines = []
    for category, count, tokens, cost in SAMPLE_DAY:
        cents = round(cost * 100)
        for number in range(count):
            share = tokens // count + (number < tokens % count)
            lines.append(
                {
                    "timestamp": f"2024-01-01T10:{number:02d}:00Z",
                    "session_id": "sess_12345",
                    "user_id": "user_67890",
                    "model": "gpt-4",
                    "prompt_type": category,
                    "input_tokens": share // 3,
                    "output_tokens": share - share // 3,
                    "total_cost": (cents // count + (number < cents % count)) / 100,
                    "prompt": None,
                    "response": None,
                    "metadata": {"assignment_id": "assign_001", "task_type": None},
                }
            )
    return "\n".join(json.dumps(line) for line in lines)


def cells(table: str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in table.splitlines()]


def test_sample_day_adds_up_when_its_interactions_are_imported(assist: Assist) -> None:
    """The specification's rows, and 68 interactions, 39,300 tokens and $0.79 in all."""
    assert assist("logs", "import", "-", input=sample_day()).stdout.startswith("68 imported")
    rows = cells(assist("report", "daily", "--date", "2024-01-01").stdout)
    assert rows[3][:4] == ["Planning", "15", "12,500", "$0.25"]
    assert rows[4][:4] == ["Chat", "45", "18,000", "$0.36"]
    assert rows[5][:5] == ["Code", "Generation", "8", "8,800", "$0.18"]
    assert rows[-1][:4] == ["Total", "68", "39,300", "$0.79"]
    total = json.loads(assist("report", "daily", "--date", "2024-01-01", "--json").stdout)["total"]
    assert (total["count"], total["total_tokens"], total["total_cost"]) == (68, 39_300, 0.79)
    month = cells(assist("report", "monthly", "--month", "2024-01").stdout)[-1]
    assert month[:5] == ["Jan", "2024", "68", "$0.79", "$0.012"]
    assert json.loads(assist("report", "monthly", "--json").stdout)[0]["total_cost"] == 0.79
    assert (
        assist("report", "monthly", "--month", "2024-02").stdout == "Nothing was recorded then.\n"
    )
    model = cells(assist("report", "models", "--since", "2024-01-01").stdout)[3]
    assert model == ["gpt-4", "100%", "$0.012", "$0.79", "$0.79", "68"]
    later = json.loads(assist("report", "models", "--since", "2024-01-02", "--json").stdout)
    assert later["models"] == []


@pytest.mark.parametrize(
    ("sample", "metrics"),
    [
        (0, (450, 850, "$0.015", "2.3")),
        (1, (320, 650, "$0.012", "1.8")),
        (2, (280, 1100, "$0.018", "3.2")),
    ],
)
def test_metrics_are_the_specifications_when_a_sample_is_shown(
    assist: Assist, sample: int, metrics: tuple[int, int, str, str]
) -> None:
    """The four lines below each of its interactions, word for word; no text, so no audit entry."""
    assist("logs", "import", SAMPLES)
    lines = assist("logs", "export").stdout.splitlines()
    run_id = json.loads(lines[sample])["metadata"]["run_id"]
    read = len(json.loads(assist("audit", "list", "--json").stdout))
    shown = assist("logs", "show", run_id).stdout
    assert shown.splitlines()[-4:] == [
        f"- Input Tokens: {metrics[0]}",
        f"- Output Tokens: {metrics[1]}",
        f"- Total Cost: {metrics[2]}",
        f"- Processing Time: {metrics[3]} seconds",
    ]
    assert "You are" not in shown
    assert len(json.loads(assist("audit", "list", "--json").stdout)) == read
    assist("logs", "show", run_id, "--json")
    assert len(json.loads(assist("audit", "list", "--json").stdout)) == read + 1


def test_request_is_a_tree_when_it_is_shown(assist: Assist, store: RunStore) -> None:
    """Each run below the one that made it, with tokens, cost and time; or a part of it."""
    nothing = {"input_tokens": None, "output_tokens": None, "cost_nano_usd": None}
    below: dict[str, Any] = {"root_run_id": "1", "task_type": None}
    for run in (
        call(1, run_type="chain", name="assistant", latency_ms=90.4, dotted_order="1", **nothing),
        call(
            2, run_type="chain", name="my\x1bchain", paused=True,
            parent_run_id="1", dotted_order="1.2", **below, **nothing,
        ),
        call(
            3, model_served="gpt-4", latency_ms=1_234.0, first_token_ms=80.0,
            parent_run_id="2", dotted_order="1.2.3", **below,
        ),
        call(
            4, status="error", error="ModelError",
            parent_run_id="2", dotted_order="1.2.4", **below, **nothing,
        ),
        call(
            5, run_type="retriever", name="search",
            parent_run_id="1", dotted_order="1.5", **below,
        ),
        call(6, parent_run_id="1", cache="hit", dotted_order="1.6", **below),
    ):  # fmt: skip
        store.start(run)
    assert assist("logs", "show", "1").stdout.splitlines() == [
        "request 1",
        "└── assistant  chain  done  90 ms",
        "    ├── my\ufffdchain  chain  done, paused",
        "    │   ├── llm  gpt-4  done  100+50 tokens  $0.02  1,234 ms (first token 80 ms)",
        "    │   └── llm  ?  error  ModelError  ?+? tokens  cost unknown",
        "    ├── search  retriever  done",
        "    └── llm  ?  done  from a cache  100+50 tokens  $0.02",
        "",
        "- Input Tokens: 200 + 1 unknown",
        "- Output Tokens: 100 + 1 unknown",
        "- Total Cost: $0.04 + 1 unpriced",
        "- Processing Time: 0.090 seconds",
    ]
    part = assist("logs", "show", "2").stdout.splitlines()
    assert len([line for line in part if "──" in line]) == 3
    assert part[-1] == "- Processing Time: unknown"
    ids = [
        one["metadata"]["run_id"]
        for one in json.loads(assist("logs", "show", "2", "--json").stdout)
    ]
    assert ids == ["3", "4"]


def test_calls_are_shown_together_when_their_root_stayed_elsewhere(
    assist: Assist, store: RunStore
) -> None:
    """By the id of the request; the time is from the first start to the last end."""
    for number, second in ((1, "01"), (2, "05")):
        run = call(number, root_run_id="away", parent_run_id="gone")
        store.start({**run, "ended_at": f"2026-11-22T10:00:{second}.500000Z"})
    shown = assist("logs", "show", "away").stdout.splitlines()
    assert shown[0] == "request away"
    assert shown[-1] == "- Processing Time: 5.5 seconds"


def test_import_says_what_it_did_when_lines_are_wrong(assist: Assist, tmp_path: Path) -> None:
    """Nothing, or all but them; in numbers for programs."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text(f"{SAMPLES.read_text('utf-8')}{{}}\n", "utf-8")
    refused = assist("logs", "import", bad)
    assert isinstance(refused.exception, InputError)
    assert str(refused.exception).startswith("line 4: 'timestamp': field required. Nothing")
    skipped = assist("logs", "import", bad, "--skip-bad")
    assert skipped.stdout == "3 imported, 0 already here, 1 skipped\n"
    assert skipped.stderr.startswith("line 4: ")
    report = json.loads(assist("logs", "import", bad, "--skip-bad", "--json").stdout)
    assert (report["already_here"], report["skipped"]) == (3, 1)
    missing = assist("logs", "import", tmp_path / "missing")
    assert "cannot be read (No such file" in str(missing.exception)


def test_record_is_verified_when_asked(assist: Assist, store: RunStore) -> None:
    """Counts and `ok`; a fault is exit code 1, with the ids of what does not fit."""
    assist("logs", "import", SAMPLES)
    assert assist("logs", "verify").stdout.splitlines()[-1] == "ok"
    for number in range(21):
        store.start(call(number, root_run_id="gone"))
    broken = assist("logs", "verify")
    assert broken.exit_code == 1
    assert "its root is missing: 1\n" in broken.stdout
    assert broken.stdout.endswith("and 22 more; --json lists all of them\n42 findings\n")
    told = json.loads(assist("logs", "verify", "--json").stdout)
    assert (told["ok"], told["counts"]["runs"], len(told["findings"])) == (False, 24, 42)


def test_what_is_not_known_is_said_when_usage_is_reported(assist: Assist, store: RunStore) -> None:
    """Unpriced calls stand beside the cost, a strange category under its own name."""
    store.start(call(1, cost_nano_usd=None, prompt_type="es\x1bsay"))
    store.start(call(2, cost_nano_usd=1_234, model_served="gpt-4"))
    late = {"root_run_id": "1", "started_at": "2026-12-01T00:00:00.000000Z"}
    store.start(call(3, **late))
    assert cells(assist("report", "monthly").stdout)[-1][2:5] == ["0", "$0.02", "-"]
    daily = assist("report", "daily", "--date", "2026-11-22").stdout
    assert "$0.00 + 1 unpriced" in daily
    assert "es\ufffdsay" in daily
    models = assist("report", "models").stdout
    assert "$0.000001234" in models
    assert "Counted apart: 0 replies from a cache, 0 runs of the offline model." in models
    assert "Counted apart" in assist("report", "models", "--course", "prog1").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("daily", "--date", "soon"), "--date 'soon' is not a date"),
        (("monthly", "--month", "2024-13"), "--month '2024-13' is not a month"),
        (("models", "--until", "x"), "--until 'x' is not a date"),
    ],
)
def test_time_is_refused_when_it_is_none(
    assist: Assist, arguments: tuple[str, ...], said: str
) -> None:
    """What to write is said."""
    outcome = assist("report", *arguments)
    assert isinstance(outcome.exception, InputError)
    assert said in str(outcome.exception)
