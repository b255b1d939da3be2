"""The backup of keys: private, never overwriting, and never reviving what was destroyed."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from agent.database import utc_now
from agent.errors import DamagedError, InputError, SettingsError
from agent.privacy.kek import KEK_FILE, Kek, Keks, encoded
from agent.privacy.key_backup import back_up, restore
from agent.privacy.key_tables import DATA_KEYS
from agent.privacy.keyring import KeyRing
from agent.privacy.vault import Cell, Vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data directory."""
    return tmp_path / "data"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where the backup is to lie."""
    return tmp_path / "keys.backup"


@pytest.fixture
def ring(folder: Path) -> Iterator[KeyRing]:
    """Ann's and Bob's keys."""
    opened = open_ring(folder)
    for person in ("ann", "bob"):
        opened.admit(person)
    yield opened
    opened.close()


def open_ring(folder: Path, *, is_whole: bool = True) -> KeyRing:
    """Open the keys of a data directory."""
    keks = Keks(folder / KEK_FILE)
    return KeyRing.open(f"sqlite:///{folder / 'keys.db'}", keks, is_whole=is_whole)


def note_of(ring: KeyRing, user_id: str) -> tuple[Cell, str]:
    """Seal something for a person."""
    cell = Cell("runs", "prompt", "r1", user_id)
    return cell, Vault(ring).seal(cell, f"note of {user_id}")


def lose(folder: Path, *names: str) -> None:
    """Remove files."""
    for name in names:
        for path in folder.glob(f"{name}*"):
            path.unlink()


def test_backup_is_private_when_written(ring: KeyRing, backup: Path) -> None:
    """It is written once, and remembered."""
    assert back_up(ring, backup) == 2
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    content = backup.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        back_up(ring, backup)
    assert backup.read_bytes() == content
    state = ring.state()
    assert state.backed_up_at is not None
    assert (state.since_backup, "backed up at" in state.backup_told) == (0, True)


def test_keys_are_counted_when_they_are_newer_than_the_backup(ring: KeyRing, backup: Path) -> None:
    """A backup does not hold who came later, and a new KEK is in none."""
    assert "was never backed up" in ring.state().backup_told
    back_up(ring, backup)
    ring.admit("eve")
    assert ring.state().backup_told.endswith("; 1 keys are newer")
    ring.renew()
    ring.rotate()
    assert "was never backed up" in ring.state().backup_told


def test_backup_is_not_noted_when_it_cannot_be_written(ring: KeyRing, tmp_path: Path) -> None:
    """The place is named."""
    with pytest.raises(InputError, match="cannot be written"):
        back_up(ring, tmp_path / "no folder" / "file")
    assert ring.state().backed_up_at is None


@pytest.mark.parametrize("lost", [(KEK_FILE,), ("keys.db",), (KEK_FILE, "keys.db")])
def test_everything_opens_when_restored(
    ring: KeyRing, folder: Path, backup: Path, lost: tuple[str, ...]
) -> None:
    """Whatever was lost: the KEK, people's keys, or both."""
    cell, sealed = note_of(ring, "ann")
    back_up(ring, backup)
    ring.close()
    lose(folder, *lost)
    empty = open_ring(folder, is_whole=False)
    report = restore(empty, backup)
    empty.close()
    assert (report.put_back, report.already_here) == ((2, 0) if "keys.db" in lost else (0, 2))
    assert bool(report.kek_ids) == (KEK_FILE in lost)
    whole = open_ring(folder)
    assert Vault(whole).open(cell, sealed) == "note of ann"
    assert whole.state().backed_up_at is not None
    assert stat.S_IMODE((folder / KEK_FILE).stat().st_mode) == 0o600
    whole.close()


@pytest.mark.parametrize("content", ["", "short", "\u00e9" * 44])
def test_key_is_put_back_when_the_file_is_damaged(
    ring: KeyRing, folder: Path, backup: Path, content: str
) -> None:
    """What cannot be a KEK is none that would be overwritten."""
    cell, sealed = note_of(ring, "ann")
    back_up(ring, backup)
    ring.close()
    (folder / KEK_FILE).write_text(content)
    damaged = open_ring(folder, is_whole=False)
    restore(damaged, backup)
    assert Vault(damaged).open(cell, sealed) == "note of ann"
    damaged.close()


def test_damaged_keys_are_put_back_when_the_others_are_whole(ring: KeyRing, backup: Path) -> None:
    """A person's key that does not open is replaced; one that does is left alone."""
    cell, sealed = note_of(ring, "ann")
    back_up(ring, backup)
    with ring.alone() as connection:
        mine = update(DATA_KEYS).where(DATA_KEYS.c.user_id == "ann")
        connection.execute(mine.values(wrapped=b"damaged"))
    ring._known.clear()
    report = restore(ring, backup)
    assert (report.put_back, report.already_here) == (1, 1)
    assert Vault(ring).open(cell, sealed) == "note of ann"


def test_destroyed_keys_stay_destroyed_when_restored(ring: KeyRing, backup: Path) -> None:
    """Erasure is stronger than a backup that is older."""
    back_up(ring, backup)
    ring.destroy("ann")
    report = restore(ring, backup)
    assert (report.stay_destroyed, report.already_here) == (1, 1)
    assert ring.current("ann") is None


def test_keys_stay_destroyed_when_only_the_records_know_of_it(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """The database of keys is lost, and with it what was destroyed; who came back has a key."""
    back_up(ring, backup)
    erased_at = {"ann": utc_now(), "bob": "2026-01-01T00:00:00.000000Z"}
    ring.close()
    lose(folder, "keys.db")
    empty = open_ring(folder, is_whole=False)
    report = restore(empty, backup, erased_at=erased_at)
    assert (report.stay_destroyed, report.put_back) == (1, 1)
    assert empty.was_erased("ann")
    assert empty.current("bob") is not None
    empty.close()


def test_keys_are_destroyed_when_the_backup_is_newer_than_the_rest(
    ring: KeyRing, folder: Path, tmp_path: Path, backup: Path
) -> None:
    """A database of keys from before the erasure forgets with the backup from after it."""
    older = tmp_path / "older"
    back_up(ring, older)
    ring.destroy("ann")
    back_up(ring, backup)
    ring.close()
    lose(folder, "keys.db")
    revived = open_ring(folder, is_whole=False)
    restore(revived, older)
    assert revived.current("ann") is not None
    restore(revived, backup)
    revived._current.clear()
    assert revived.current("ann") is None
    assert revived.current("bob") is not None
    revived.close()


def test_restore_is_refused_when_other_keys_are_here(
    ring: KeyRing, backup: Path, tmp_path: Path
) -> None:
    """With --force they are added, and none that is here is lost."""
    cell, sealed = note_of(ring, "ann")
    back_up(ring, backup)
    other = open_ring(tmp_path / "other")
    other.admit("cat")
    own, cats = other.keks.current, note_of(other, "cat")
    with pytest.raises(InputError, match="--force"):
        restore(other, backup)
    assert other.keks.all(again=True) == (own,)
    assert restore(other, backup, force=True).put_back == 2
    assert other.keks.current == own
    assert Vault(other).open(cell, sealed) == "note of ann"
    assert Vault(other).open(*cats) == "note of cat"
    assert other.state().backed_up_at is None
    other.close()


def test_old_kek_does_not_come_back_when_nothing_needs_it(ring: KeyRing, backup: Path) -> None:
    """After a rotation the backup adds only what is missing."""
    back_up(ring, backup)
    ring.renew()
    ring.rotate()
    report = restore(ring, backup, force=True)
    assert (report.kek_ids, report.already_here) == ([], 2)
    assert len(ring.keks.all(again=True)) == 1


@pytest.mark.parametrize("cut", [10, 100, -20])
def test_file_is_refused_when_it_is_no_backup(ring: KeyRing, backup: Path, cut: int) -> None:
    """Nothing of it is quoted."""
    back_up(ring, backup)
    backup.write_text(backup.read_text()[:cut])
    with pytest.raises(InputError, match="is no backup of keys, or is damaged") as refusal:
        restore(ring, backup)
    assert encoded(ring.keks.current) not in repr(refusal.value)
    with pytest.raises(InputError, match="cannot be read"):
        restore(ring, backup.with_name("none"))


def test_file_is_refused_when_a_key_in_it_was_changed(ring: KeyRing, backup: Path) -> None:
    """Before anything is written."""
    back_up(ring, backup)
    content = json.loads(backup.read_text())
    first, second = content["data_keys"]
    first["wrapped"], second["wrapped"] = second["wrapped"], first["wrapped"]
    backup.write_text(json.dumps(content))
    with ring.alone() as connection:
        connection.execute(delete(DATA_KEYS))
    with pytest.raises(InputError, match="a key in it does not open"):
        restore(ring, backup)
    with ring.alone() as connection:
        assert connection.execute(select(DATA_KEYS)).first() is None


def test_setting_is_asked_for_when_the_keys_stand_there(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """Nothing is written into a file that nobody would read."""
    kek = encoded(ring.keks.current)
    back_up(ring, backup)
    ring.close()
    lose(folder, KEK_FILE, "keys.db")
    url = f"sqlite:///{folder / 'keys.db'}"
    wrong = KeyRing.open(url, Keks(folder / KEK_FILE, encoded(Kek.make())), is_whole=False)
    with pytest.raises(SettingsError, match="ASSIST_KEK lacks a key") as refusal:
        restore(wrong, backup, force=True)
    assert kek not in str(refusal.value)
    assert wrong.is_empty()
    wrong.close()
    right = KeyRing.open(url, Keks(folder / KEK_FILE, kek), is_whole=False)
    assert restore(right, backup).put_back == 2
    assert not (folder / KEK_FILE).exists()
    right.close()


def test_whole_keys_stay_when_the_file_is_damaged(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """A comment in it costs nothing; a backup from before the rotation overwrites none of it."""
    back_up(ring, backup)
    ring.renew()
    ring.rotate()
    ring.admit("eve")
    cell, sealed = note_of(ring, "eve")
    ring.close()
    path = folder / KEK_FILE
    good = path.read_text()
    path.write_text(f"# of 2026\n{good}")
    damaged = open_ring(folder, is_whole=False)
    with pytest.raises(InputError, match="--force"):
        restore(damaged, backup)
    assert path.read_text() == f"# of 2026\n{good}"
    report = restore(damaged, backup, force=True)
    damaged.close()
    assert report.set_aside == path.with_name("kek.key.before-restore")
    assert report.set_aside.read_text() == f"# of 2026\n{good}"
    assert path.read_text() == good
    whole = open_ring(folder)
    assert Vault(whole).open(cell, sealed) == "note of eve"
    whole.close()


def lose_rotated(ring: KeyRing, folder: Path, backup: Path) -> tuple[Kek, Cell, str]:
    """Lose the KEK of a rotation after the last backup, and with it the key of who came later."""
    back_up(ring, backup)
    ring.renew()
    ring.rotate()
    ring.admit("eve")
    cell, sealed = note_of(ring, "eve")
    kek = ring.keks.current
    ring.close()
    lose(folder, KEK_FILE)
    with pytest.raises(SettingsError, match="assist keys restore BACKUP"):
        open_ring(folder)
    return kek, cell, sealed


def test_others_go_on_when_one_key_stays_locked(ring: KeyRing, folder: Path, backup: Path) -> None:
    """What is in no backup is counted as lost, shows as damaged, and its person goes on anew."""
    anns, annas_text = note_of(ring, "ann")
    lost, cell, sealed = lose_rotated(ring, folder, backup)
    broken = open_ring(folder, is_whole=False)
    assert restore(broken, backup).stay_locked == {lost.kek_id: 1}
    broken.close()
    opened = open_ring(folder)
    vault = Vault(opened)
    assert vault.open(anns, annas_text) == "note of ann"
    with pytest.raises(DamagedError):
        vault.open(cell, sealed)
    assert (opened.state().lost, opened.state().people) == (1, 2)
    assert "1 people's keys stay locked" in opened.state().backup_told
    assert not vault.knows("eve")
    assert not opened.was_erased("eve")
    opened.admit("eve")
    again, new = note_of(opened, "eve")
    opened.renew()
    assert opened.rotate() == 3
    assert vault.open(again, new) == "note of eve"
    assert opened.state().kek_ids == (opened.keks.current.kek_id,)
    assert opened.destroy("eve") == 2
    opened.close()


def test_lost_key_opens_when_what_locks_it_is_back(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """Nothing was deleted, so that whoever finds the file after all reads everything."""
    lost, cell, sealed = lose_rotated(ring, folder, backup)
    broken = open_ring(folder, is_whole=False)
    restore(broken, backup)
    broken.keks.put([*broken.keks.all(), lost])
    broken.close()
    opened = open_ring(folder)
    assert opened.state().lost == 0
    assert Vault(opened).open(cell, sealed) == "note of eve"
    opened.close()
    lose(folder, KEK_FILE)
    with pytest.raises(SettingsError, match="assist keys restore BACKUP"):
        open_ring(folder)


def test_backup_is_whole_when_a_key_in_it_is_lost(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """The next loss is mended with it as the first was."""
    lost, _, _ = lose_rotated(ring, folder, backup)
    broken = open_ring(folder, is_whole=False)
    restore(broken, backup)
    next_one = backup.with_name("next")
    assert back_up(broken, next_one) == 2
    broken.close()
    lose(folder, KEK_FILE, "keys.db")
    empty = open_ring(folder, is_whole=False)
    report = restore(empty, next_one)
    assert (report.put_back, report.stay_locked) == (2, {lost.kek_id: 1})
    assert restore(empty, next_one).already_here == 2
    empty.close()
    open_ring(folder).close()


def test_key_that_was_just_made_gives_way_when_it_locks_nothing(
    ring: KeyRing, folder: Path, backup: Path
) -> None:
    """A start after the loss made one; nobody has to say that it may be passed by."""
    cell, sealed = note_of(ring, "ann")
    back_up(ring, backup)
    old = ring.keks.current
    ring.close()
    lose(folder, KEK_FILE, "keys.db")
    open_ring(folder).close()
    started = open_ring(folder, is_whole=False)
    assert restore(started, backup).put_back == 2
    assert started.keks.current == old
    assert Vault(started).open(cell, sealed) == "note of ann"
    assert started.state().backed_up_at is not None
    started.close()
