"""`assist keys`: status, backup, restore, rotation; and what serving does without a key."""

import base64
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from typer.testing import CliRunner

from agent import database
from agent.cli import app
from agent.doctor import examine, list_settings
from agent.erasure import Eraser
from agent.errors import AssistantError
from agent.holdings import holdings_of
from agent.privacy.access import local_caller
from agent.privacy.erasure import ErasureLedger
from agent.privacy.kek import Kek, encoded
from agent.privacy.key_tables import DATA_KEYS
from agent.privacy.owner import Owner
from agent.settings import Settings, load_settings
from agent.stores import Stores, open_keys
from server import create_app

MARK = "swordfish"


@pytest.fixture
def assignment(settings: Settings) -> str:
    """An assignment of the local person's."""
    stores = Stores.open(settings)
    number = stores.assignments.add(Owner(stores.user_id), title=MARK, brief=MARK)
    stores.close()
    return number


def read_title(settings: Settings, assignment: str) -> str:
    """Return its title as a new process reads it."""
    stores = Stores.open(settings)
    try:
        return stores.assignments.get(Owner(stores.user_id), assignment).title
    finally:
        stores.close()


def assist(*words: str | Path) -> str:
    """Run a command that has to do its work, and return what it printed."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_texts_open_when_keys_were_lost_and_restored(
    settings: Settings, assignment: str, tmp_path: Path
) -> None:
    """Backup, loss, refusal, restore: the way that a person goes."""
    backup = tmp_path / "keys.backup"
    said = assist("keys", "backup", backup)
    assert "read everything" in said
    assert "for at most 30 days" in said
    for name in ("kek.key", "keys.db", "keys.db-wal", "keys.db-shm"):
        (settings.data_dir / name).unlink(missing_ok=True)
    refused = CliRunner().invoke(app, ["logs", "export"])
    assert isinstance(refused.exception, AssistantError)
    assert refused.exception.exit_code == 2
    assert "assist keys restore BACKUP" in str(refused.exception)
    assert "put back: 1" in assist("keys", "restore", backup)
    assert read_title(settings, assignment) == MARK


def test_texts_open_when_keys_were_rotated(settings: Settings, assignment: str) -> None:
    """The old key is gone, the new one is to be backed up."""
    before = json.loads(assist("keys", "status", "--json"))
    said = assist("keys", "rotate")
    assert "1 keys were locked anew" in said
    assert "was never backed up" in said
    after = json.loads(assist("keys", "status", "--json"))
    assert after["kek_id"] != before["kek_id"]
    assert after["kek_ids"] == [after["kek_id"]]
    assert before["kek_id"] not in assist("keys", "status")
    assert read_title(settings, assignment) == MARK


def test_erased_person_stays_erased_when_keys_were_lost_and_restored(
    settings: Settings, assignment: str, tmp_path: Path
) -> None:
    """The records say who was erased since the backup."""
    backup = tmp_path / "keys.backup"
    assist("keys", "backup", backup)
    stores = Stores.open(settings)
    ErasureLedger(stores.database).begin(stores.user_id, lambda _: None)
    stores.close()
    for path in settings.data_dir.glob("keys.db*"):
        path.unlink()
    assert "destroyed since: 1" in assist("keys", "restore", backup)
    ring = open_keys(settings)
    assert ring.was_erased(stores.user_id)
    ring.close()
    assert assignment


def test_erased_person_stays_erased_when_an_older_file_of_keys_is_put_back(
    settings: Settings,
) -> None:
    """A copy of yesterday's file knows nothing of today's erasure."""
    stores = Stores.open(settings)
    stores.vault.keys.admit("ann")
    stores.vault.keys.admit("bob")
    stores.close()
    file = settings.data_dir / "keys.db"
    yesterday = file.read_bytes()
    stores = Stores.open(settings)
    eraser_of(stores, settings).erase("ann", local_caller(stores.user_id), door="terminal")
    stores.close()
    file.write_bytes(yesterday)
    stores = Stores.open(settings)
    assert stores.vault.keys.was_erased("ann")
    assert stores.vault.knows("bob")
    assert stores.vault.knows(stores.user_id)
    stores.close()


def test_erasure_is_unfinished_when_somebody_reads_the_keys(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log still holds the key; when the reader has gone, it is taken out, and that is done."""
    monkeypatch.setattr(database, "_LOG_TRIES", 2)
    stores = Stores.open(settings)
    stores.vault.keys.admit("ann")
    with stores.vault.keys.alone() as connection:
        anns = select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.user_id == "ann")
        wrapped = connection.execute(anns).scalar_one()
    eraser = eraser_of(stores, settings)
    with closing(sqlite3.connect(settings.data_dir / "keys.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM data_keys").fetchall()
        receipt = eraser.erase("ann", local_caller(stores.user_id), door="terminal")
        assert is_stored(settings, wrapped)
    assert receipt.finished_at is None
    assert [step.store for step in receipt.steps if step.state == "pending"] == ["data keys log"]
    (resumed,) = eraser.resume()
    assert resumed.finished_at is not None
    assert not is_stored(settings, wrapped)
    stores.close()


def eraser_of(stores: Stores, settings: Settings) -> Eraser:
    """Return what erases people here."""
    return Eraser(stores=stores, holdings=holdings_of(stores, settings))


def is_stored(settings: Settings, content: bytes) -> bool:
    """Look for bytes in the database of keys and its log."""
    return any(content in path.read_bytes() for path in settings.data_dir.glob("keys.db*"))


def test_everyone_else_goes_on_when_a_key_stays_locked(
    settings: Settings, assignment: str, tmp_path: Path
) -> None:
    """The backup is from before a rotation; the check-up and the status tell what is lost."""
    assist("keys", "backup", tmp_path / "keys.backup")
    assist("keys", "rotate")
    ring = open_keys(settings)
    ring.admit("eve")
    lost = ring.keks.current.kek_id
    ring.close()
    (settings.data_dir / "kek.key").unlink()
    said = assist("keys", "restore", tmp_path / "keys.backup")
    assert f"1 people's keys stay locked by the key {lost}, which is in no backup" in said
    assert read_title(settings, assignment) == MARK
    assert "because what locks them is lost: 1" in assist("keys", "status")
    found = {finding.what: finding for finding in examine(settings)}["keys"]
    assert "warning: 1 people's keys stay locked" in found.detail


def test_old_file_is_named_when_it_was_damaged(settings: Settings, tmp_path: Path) -> None:
    """What stood in it is not lost."""
    assist("keys", "backup", tmp_path / "keys.backup")
    (settings.data_dir / "kek.key").write_text("# nothing\n")
    assert "kek.key.before-restore" in assist("keys", "restore", tmp_path / "keys.backup")


def test_damaged_file_is_named_when_keys_are_to_be_restored(
    settings: Settings, tmp_path: Path
) -> None:
    """What is no database is not overwritten."""
    assist("keys", "backup", tmp_path / "keys.backup")
    for path in settings.data_dir.glob("keys.db*"):
        path.unlink()
    (settings.data_dir / "keys.db").write_bytes(b"no database " * 99)
    words = ["keys", "restore", str(tmp_path / "keys.backup")]
    refused = CliRunner().invoke(app, words).exception
    assert isinstance(refused, AssistantError)
    assert "has to be moved away" in str(refused)


def test_no_file_is_made_when_the_key_is_in_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything works without `kek.key`."""
    monkeypatch.setenv("ASSIST_KEK", encoded(Kek.make()))
    stores = Stores.open(load_settings())
    owner = Owner(stores.user_id)
    number = stores.assignments.add(owner, title=MARK, brief=MARK)
    assert stores.assignments.get(owner, number).title == MARK
    stores.close()
    assert json.loads(assist("keys", "status", "--json"))["kek_place"] == "ASSIST_KEK"
    assert not (settings.data_dir / "kek.key").exists()


def test_rotation_is_named_when_it_is_unfinished(settings: Settings, assignment: str) -> None:
    """Status says so, and the next one goes on with it."""
    ring = open_keys(settings)
    ring.renew()
    ring.close()
    assert "run: assist keys rotate" in assist("keys", "status")
    assert "that was begun is finished" in assist("keys", "rotate")
    assert read_title(settings, assignment) == MARK


def test_doctor_warns_when_the_key_was_never_backed_up(settings: Settings, tmp_path: Path) -> None:
    """It is no failure, so that a first try passes."""
    found = {finding.what: finding for finding in examine(settings)}["keys"]
    assert found.ok
    assert "warning: the key" in found.detail
    assert "assist keys backup FILE" in found.detail
    assist("keys", "backup", tmp_path / "keys.backup")
    found = {finding.what: finding for finding in examine(settings)}["keys"]
    assert "warning" not in found.detail


@pytest.mark.usefixtures("assignment")
def test_no_key_is_told_when_everything_is_shown(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check-up, the status, the API's description, settings and errors hold none."""
    kek = Kek.make()
    file_key = (settings.data_dir / "kek.key").read_text().strip()
    given = Settings(data_dir=tmp_path / "given", kek=SecretStr(encoded(kek)))
    shown = [
        assist("doctor"),
        assist("keys", "status"),
        assist("keys", "backup", tmp_path / "b"),
        json.dumps(create_app(given).openapi()),
        repr(given),
        given.model_dump_json(),
        repr(list_settings(given)),
        repr(examine(given)),
    ]
    monkeypatch.setenv("ASSIST_KEK", encoded(kek)[:-2])
    shown.append(str(CliRunner().invoke(app, ["keys", "status"]).exception))
    assert "32 bytes in base64" in shown[-1]
    for key in (file_key, encoded(kek)[:-4]):
        for form in (key, base64.b64decode(key + "=" * (-len(key) % 4)).hex()):
            assert not [text for text in shown if form in text]


def test_no_key_is_told_when_the_log_is_on(
    settings: Settings, assignment: str, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLAlchemy's own log does not show what is bound."""
    caplog.set_level("DEBUG")
    key = (settings.data_dir / "kek.key").read_text().strip()
    assert read_title(settings, assignment) == MARK
    assert key not in caplog.text
    assert MARK not in caplog.text


@pytest.mark.usefixtures("assignment")
@pytest.mark.parametrize("damage", ["short", "open"])
def test_serving_is_refused_when_the_key_cannot_be_used(settings: Settings, damage: str) -> None:
    """It ends by itself with what to do, and exit code 2."""
    key = settings.data_dir / "kek.key"
    if damage == "short":
        key.write_text("c2hvcnQ=\n")
    else:
        key.chmod(0o644)
    done = serve(until=None)
    assert done.returncode == 2
    assert ("restore" if damage == "short" else "chmod 600") in done.stderr
    assert "Traceback" not in done.stderr


def test_serving_warns_when_the_key_was_never_backed_up() -> None:
    """The service runs all the same."""
    done = serve(until="Warning: the key")
    assert "assist keys backup FILE" in done.stderr


def serve(*, until: str | None) -> "subprocess.CompletedProcess[str]":
    """Serve until a line appears, or until it ends by itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "agent.cli", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if until and re.search(until, line):
                process.send_signal(signal.SIGINT)
                break
        process.wait(30)
    return subprocess.CompletedProcess(command, process.returncode, "", "".join(lines))
