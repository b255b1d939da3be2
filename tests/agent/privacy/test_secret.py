"""The installation's secret: made once, private, never shown."""

import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from agent.errors import SettingsError
from agent.privacy.secret import SECRET_FILE, Secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a secret is to lie, in a folder that is not there yet."""
    return tmp_path / "data" / SECRET_FILE


def test_secret_is_private_when_made(path: Path) -> None:
    """32 bytes in a file, and a folder, for its owner alone; nothing is left beside it."""
    Secret.open(path)
    assert len(path.read_bytes()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_digest_is_the_same_when_opened_again(path: Path) -> None:
    """What was computed before a restart is computed after it."""
    first = Secret.open(path).hmac("pseudonym", "ann")
    assert Secret.open(path).hmac("pseudonym", "ann") == first
    assert len(first) == 32


def test_digest_differs_when_purpose_value_or_secret_does(path: Path, tmp_path: Path) -> None:
    """No digest of one purpose is one of another, however the texts are cut."""
    secret, other = Secret.open(path), Secret.open(tmp_path / "other.key")
    digests = [
        made.hmac(purpose, value)
        for made in (secret, other)
        for purpose in ("key", "key:", "")
        for value in ("ann", ":ann", "key:ann", "", "\ud83d")
    ]
    assert len(set(digests)) == len(digests)


def test_all_read_one_secret_when_it_is_made_at_once(tmp_path: Path) -> None:
    """Whoever is quicker makes it; nobody reads half of one, or one that is replaced."""
    for number in range(20):
        path, start = tmp_path / str(number) / SECRET_FILE, Barrier(6)

        def first_use(path: Path = path, start: Barrier = start) -> bytes:
            start.wait()
            return Secret.open(path).hmac("test", "")

        with ThreadPoolExecutor(6) as pool:
            found = {made.result() for made in [pool.submit(first_use) for _ in range(6)]}
        assert found == {Secret.open(path).hmac("test", "")}
        assert list(path.parent.iterdir()) == [path]


def test_quicker_secret_holds_when_another_is_on_its_way(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that appears between the look and the making is read, not replaced."""
    make, quicker = tempfile.mkstemp, b"q" * 32

    def make_late(*arguments: Any, **options: Any) -> tuple[int, str]:
        path.write_bytes(quicker)
        path.chmod(0o600)
        return make(*arguments, **options)

    monkeypatch.setattr(tempfile, "mkstemp", make_late)
    assert Secret.open(path).hmac("test", "") == Secret(quicker).hmac("test", "")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o601])
def test_secret_is_refused_when_others_reach_it(path: Path, mode: int) -> None:
    """The error names the file, its mode and the command that mends it."""
    Secret.open(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=rf"mode 0{mode:o}\)\. Run: chmod 600 '{path}'"):
        Secret.open(path)


@pytest.mark.parametrize("length", [0, 16, 31])
def test_secret_is_refused_when_it_is_too_short(path: Path, length: int) -> None:
    """A cut or an empty file is not taken for a secret, and not replaced."""
    path.parent.mkdir()
    path.write_bytes(b"s" * length)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=f"has {length} bytes; 32 are needed"):
        Secret.open(path)
    assert path.read_bytes() == b"s" * length


def test_secret_is_refused_when_it_is_no_file(path: Path) -> None:
    """What cannot be read is named, with what it has to be."""
    path.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot be used \(Is a directory\)"):
        Secret.open(path)


def test_secret_is_refused_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is a setting to mend."""
    (tmp_path / "data").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        Secret.open(tmp_path / "data" / SECRET_FILE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_secret_is_refused_when_it_is_unreadable(path: Path) -> None:
    """A file of somebody else's is not worked around."""
    Secret.open(path)
    path.chmod(0o000)
    with pytest.raises(SettingsError, match="Permission denied"):
        Secret.open(path)


def test_secret_stays_inside_when_shown() -> None:
    """Neither repr nor str holds a byte of it."""
    secret = Secret(b"swordfish" * 4)
    assert "swordfish" not in f"{secret!r} {secret}"
