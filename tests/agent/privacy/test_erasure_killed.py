"""An erasure that is ended by SIGKILL at any step is gone on with, and ends at the same state."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.erasure import Eraser
from agent.holdings import holdings_of
from agent.privacy.erasure import ErasureLedger
from agent.settings import Settings
from agent.stores import Stores
from tests.agent.privacy.people_with_data import ADA, NAMES, WORDS, digest_of, peopled, rows_about

ROOT = Path(__file__).parents[3]
DIES = """
import os, signal, sys
from itertools import count
from pathlib import Path
from agent.erasure import Eraser
from agent.holdings import holdings_of
from agent.privacy.access import local_caller
from agent.settings import Settings
from agent.stores import Stores

folder, user_id, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
steps = count()

def die(step):
    if next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(data_dir=folder, auth="keys")
stores = Stores.open(settings)
eraser = Eraser(stores=stores, holdings=holdings_of(stores, settings), on_step=die)
eraser.erase(user_id, local_caller(stores.user_id), door="terminal")
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_left_when_an_erasure_was_killed_at_any_step(tmp_path: Path) -> None:
    """The process that comes after finishes it; the other person's bytes are as they were."""
    used = tmp_path / "used"
    with peopled(used) as scene:
        ada, ben = scene.ada, scene.ben
    before = digest_of(used, ben)
    number, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        folder = tmp_path / str(number)
        shutil.copytree(used / "data", folder / "data")
        command = [sys.executable, "-c", DIES, str(folder / "data"), ada.user_id, str(number)]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        finish(folder)
        assert rows_about(folder, ada).keys() == {"audit", "erasures"}, number
        assert digest_of(folder, ben) == before
        files = [path for path in (folder / "data").rglob("*") if path.is_file()]
        data = b"".join(path.read_bytes() for path in files)
        assert [text for text in (*NAMES[ADA], WORDS[ADA]) if text.encode() in data] == []
        number += 1
    assert code == 0
    assert number > 10


def finish(folder: Path) -> None:
    """Go on with what was left, as the next process does."""
    settings = Settings(data_dir=folder / "data", auth="keys")
    stores = Stores.open(settings)
    eraser = Eraser(stores=stores, holdings=holdings_of(stores, settings))
    eraser.resume()
    assert [
        receipt.finished_at is not None for receipt in ErasureLedger(stores.database).all()
    ] == [True]
    stores.close()
