"""A key that cannot be opened for a while costs no run: what is to be written waits for it."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.errors import StorageError
from agent.privacy import keyring
from agent.privacy.kek import KEK_FILE, Keks
from agent.privacy.keyring import KeyRing
from agent.recording.writer import Writer
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.insight.test_usage import call

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
Change = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where everything lies."""
    return tmp_path / "data"


@pytest.fixture
def stores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """The stores of an installation in which keys are looked at anew each time."""
    monkeypatch.setattr(keyring, "FRESH", 0.0)
    opened = Stores.open(Settings(data_dir=folder, kek=SecretStr(OLD)))
    opened.vault.keys.admit("u")
    yield opened
    opened.close()


def rotate_to(first: str, second: str) -> Change:
    """Lock the keys anew in a process that knows both; the one under test knows the old alone."""

    def rotate(folder: Path) -> None:
        keks = Keks(folder / KEK_FILE, f"{first},{second}")
        ring = KeyRing.open(f"sqlite:///{folder / 'keys.db'}", keks)
        ring.rotate()
        ring.close()

    return rotate


def spoil_keys(folder: Path) -> None:
    """Make the database of keys unreadable."""
    for path in list(folder.glob("keys.db*")):
        path.rename(folder / f"{path.name} away")
    (folder / "keys.db").write_bytes(b"no database at all " * 100)


def mend_keys(folder: Path) -> None:
    """Put it back."""
    for path in list(folder.glob("keys.db* away")):
        path.replace(folder / path.name.removesuffix(" away"))


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [(rotate_to(NEW, OLD), rotate_to(OLD, NEW)), (spoil_keys, mend_keys)],
    ids=["rotated elsewhere", "spoilt"],
)
def test_end_is_written_when_the_key_opens_again(
    stores: Stores, folder: Path, spoil: Change, mend: Change
) -> None:
    """Whoever waits meanwhile is told so; nothing of the run is lost, its text included."""
    writer = Writer(stores.runs)
    row = {**call(1), "status": "started", "content": "kept", "prompt": "How?"}
    writer.submit(lambda changes: changes.start(row))
    writer.wait()
    stores.vault.keys._engine.dispose()
    spoil(folder)
    ended = {"user_id": "u", "status": "done", "response": "So."}
    writer.submit(lambda changes: changes.end("1", ended))
    with pytest.raises(StorageError):
        writer.wait()
    stores.vault.keys._engine.dispose()
    mend(folder)
    writer.wait()
    run = stores.runs.get("1")
    assert run is not None
    assert (run.status, run.prompt, run.response) == ("done", "How?", "So.")
    writer.close()
