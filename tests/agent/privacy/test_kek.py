"""The key-encryption keys: made once, private, refused where they cannot be right."""

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from agent.errors import SettingsError
from agent.privacy.kek import KEK_FILE, LENGTH, Kek, Keks, encoded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to lie, in a folder that is not there yet."""
    return tmp_path / "data" / KEK_FILE


@pytest.fixture
def keks(path: Path) -> Keks:
    """One key in a file."""
    made = Keks(path)
    made.create()
    return made


def test_key_is_private_when_made(keks: Keks, path: Path) -> None:
    """32 bytes in base64, a file and a folder for the owner alone, and nothing beside it."""
    assert len(base64.b64decode(path.read_text())) == LENGTH
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert keks.current.kek_id not in path.read_text()


def test_one_key_holds_when_made_at_once(path: Path) -> None:
    """Whoever is quicker makes it."""
    start = Barrier(6)

    def make() -> str:
        keks = Keks(path)
        start.wait()
        keks.create()
        return keks.current.kek_id

    with ThreadPoolExecutor(6) as pool:
        made = {done.result() for done in [pool.submit(make) for _ in range(6)]}
    assert made == {Keks(path).current.kek_id}


def test_locked_key_opens_when_nothing_was_changed() -> None:
    """Only with the same KEK, for the same person and key, and whole."""
    kek, key = Kek.make(), os.urandom(LENGTH)
    locked = kek.wrap(key, b"ann")
    assert kek.unwrap(locked, b"ann") == key
    assert kek.wrap(key, b"ann") != locked
    for other, wrapped, bound in (
        (kek, locked, b"bob"),
        (Kek.make(), locked, b"ann"),
        (kek, locked[:-1], b"ann"),
        (kek, locked[:5], b"ann"),
        (kek, b"", b"ann"),
        (kek, bytes([locked[0] ^ 1]) + locked[1:], b"ann"),
        (kek, locked[:-1] + bytes([locked[-1] ^ 1]), b"ann"),
    ):
        with pytest.raises(ValueError, match=r"."):
            other.unwrap(wrapped, bound)


@pytest.mark.parametrize(
    "content",
    ["", "\n", base64.b64encode(b"k" * 31).decode(), base64.b64encode(b"k" * 33).decode()],
    ids=["empty", "blank", "short", "long"],
)
def test_file_is_refused_when_it_holds_no_key(keks: Keks, path: Path, content: str) -> None:
    """It is not replaced, and the error says what to do without a word of its content."""
    path.write_text(content)
    with pytest.raises(SettingsError, match="assist keys restore BACKUP") as refusal:
        keks.all(again=True)
    assert str(path) in str(refusal.value)
    assert path.read_text() == content


@pytest.mark.parametrize("given", ["swordfish!", "c3dvcmRmaXNo", "\u00e9" * 44, "a" * 43])
def test_setting_is_refused_when_it_is_no_key(path: Path, given: str) -> None:
    """What is wrong is said, the value is not."""
    with pytest.raises(SettingsError, match="ASSIST_KEK holds a key that is not 32 bytes") as told:
        Keks(path, given).all()
    assert given not in str(told.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_file_is_refused_when_others_reach_it(keks: Keks, path: Path, mode: int) -> None:
    """The error names the file, its mode and the command that mends it."""
    path.chmod(mode)
    with pytest.raises(SettingsError, match=rf"mode 0{mode:o}\)\. Run: chmod 600 '{path}'"):
        keks.all(again=True)


def test_file_is_refused_when_it_is_a_folder(path: Path) -> None:
    """What cannot be read is named."""
    path.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        Keks(path).all()


def test_no_file_is_needed_when_the_setting_holds_the_keys(path: Path) -> None:
    """The first one locks; nothing is written anywhere."""
    first, second = Kek.make(), Kek.make()
    keks = Keks(path, f"{encoded(first)}, {encoded(second)}")
    assert keks.exists()
    assert keks.current == first
    assert keks.find(second.kek_id) == second
    keks.keep([first.kek_id])
    with pytest.raises(SettingsError, match="Put a new one before the old one there"):
        keks.add()
    assert not path.parent.exists()


def test_new_key_is_found_when_another_process_added_it(keks: Keks, path: Path) -> None:
    """Whoever has read the file before reads it again for an id that is new to them."""
    old, added = keks.current, Keks(path).add()
    assert keks.find(added.kek_id) == added
    assert keks.find(old.kek_id) == old
    assert keks.current == added
    assert keks.find("00000000") is None


def test_old_key_is_gone_when_another_is_kept(keks: Keks, path: Path) -> None:
    """The file stays private and whole."""
    old, added = keks.current, keks.add()
    keks.keep([added.kek_id])
    assert path.read_text() == f"{encoded(added)}\n"
    assert keks.find(old.kek_id) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_key_stays_inside_when_shown(keks: Keks, path: Path) -> None:
    """Neither repr nor str holds it, nor does its id."""
    kek = keks.current
    for shown in (f"{kek!r} {kek}", f"{keks!r} {keks}", kek.kek_id, keks.place):
        assert encoded(kek) not in shown
        assert kek.key.hex()[:8] not in shown
        assert repr(kek.key) not in shown
    assert str(path) == keks.place


def test_whole_keys_are_usable_when_another_line_is_none(keks: Keks, path: Path) -> None:
    """A comment or a cut line costs the others nothing; the start still refuses the file."""
    first, second = keks.current, keks.add()
    path.write_text(f"# of 2026\n{encoded(second)}, {encoded(first)[:-3]}\n\n{encoded(first)}\n")
    assert Keks(path).usable() == [second, first]
    with pytest.raises(SettingsError, match="holds a key that is not 32 bytes"):
        Keks(path).all()


def test_file_is_kept_aside_when_something_in_it_is_no_key(keks: Keks, path: Path) -> None:
    """Under a name that is not taken, for the owner alone; a whole one needs none."""
    assert keks.set_aside() is None
    path.write_text("# first\n")
    path.chmod(0o644)
    first = keks.set_aside()
    assert first == path.with_name("kek.key.before-restore")
    keks.put([Kek.make()])
    path.write_text("# second\n")
    second = keks.set_aside()
    assert second is not None
    assert [kept.read_text() for kept in (first, second)] == ["# first\n", "# second\n"]
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_unfinished_files_are_removed_when_a_process_was_killed(
    keks: Keks, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold keys; whatever else lies there stays."""

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    kept = path.with_name("kek.key.before-restore")
    kept.touch()
    before = path.read_text()
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", die)
        killed.setattr(Path, "unlink", die)
        with pytest.raises(SystemExit):
            keks.add()
    assert len(list(path.parent.iterdir())) == 3
    keks.remove_unfinished()
    assert sorted(path.parent.iterdir()) == [path, kept]
    assert path.read_text() == before
