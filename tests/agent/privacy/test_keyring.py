"""People's own keys: one each, locked by the KEK, found by all processes, destroyed for good."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import create_engine, delete, insert, select, text, update

from agent.database import utc_now
from agent.errors import DamagedError, SettingsError
from agent.privacy import keyring
from agent.privacy.kek import KEK_FILE, LENGTH, Kek, Keks, encoded
from agent.privacy.key_tables import DATA_KEYS, METADATA, bound
from agent.privacy.keyring import KeyRing

_ROTATION = """
import sys
from pathlib import Path
from agent.privacy.kek import Keks
from agent.privacy.keyring import KeyRing
ring = KeyRing.open(sys.argv[1], Keks(Path(sys.argv[2])))
ring.renew()
print("begun", flush=True)
ring.rotate(lambda done: print(done, flush=True))
"""


@pytest.fixture
def keks(tmp_path: Path) -> Keks:
    """The file of KEKs."""
    return Keks(tmp_path / KEK_FILE)


@pytest.fixture
def url(records_url: str) -> Iterator[str]:
    """An empty database of keys, on each that it has to run on."""
    yield records_url
    if records_url.startswith("postgresql"):
        engine = create_engine(records_url)
        with engine.begin() as connection:
            connection.execute(delete(DATA_KEYS))
        engine.dispose()


@pytest.fixture
def ring(url: str, keks: Keks) -> Iterator[KeyRing]:
    """A ring without people."""
    opened = KeyRing.open(url, keks)
    yield opened
    opened.close()


def grow_old(ring: KeyRing) -> None:
    """Let the moment pass in which a key is used without another look."""
    for user_id, key in ring._current.items():
        ring._current[user_id] = replace(key, read_at=-1e9)
    for place, key in ring._known.items():
        ring._known[place] = replace(key, read_at=-1e9)


def name_of(ring: KeyRing, user_id: str) -> str:
    """Return the name of a person's key."""
    key = ring.current(user_id)
    assert key is not None
    return key.key_id


def sealed_by(ring: KeyRing, user_id: str) -> bytes:
    """Seal a word under a person's key."""
    key = ring.current(user_id)
    assert key is not None
    return key.cipher.encrypt(b"n" * 12, b"word", b"")


def test_person_has_one_key_when_admitted_often(ring: KeyRing, url: str, keks: Keks) -> None:
    """Another process finds the same; nobody else has it."""
    assert ring.current("ann") is None
    ring.admit("ann")
    ring.admit("ann")
    ring.admit("bob")
    other = KeyRing.open(url, keks)
    assert name_of(other, "ann") == name_of(ring, "ann") != name_of(ring, "bob")
    assert sealed_by(other, "ann") == sealed_by(ring, "ann") != sealed_by(ring, "bob")
    other.close()
    assert ring.state().people == 2


def test_one_key_is_made_when_processes_admit_at_once(url: str, keks: Keks, ring: KeyRing) -> None:
    """Whoever is quicker makes it."""
    rings = [KeyRing.open(url, keks) for _ in range(4)]

    def admit(number: int) -> None:
        rings[number % 4].admit(f"person {number // 8}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(admit, range(64)))
    for opened in rings:
        opened.close()
    assert ring.state().people == 8


def test_key_is_named_when_it_was_made(ring: KeyRing) -> None:
    """For one or for many; whoever has one gets none."""
    made = ring.admit("ann")
    assert made == name_of(ring, "ann")
    assert ring.admit("ann") is None
    many = ring.admit_all(["ann", "bob", "cat", "bob"])
    assert many == {"bob": name_of(ring, "bob"), "cat": name_of(ring, "cat")}
    assert ring.admit_all(["ann", "bob"]) == {}
    assert ring.state().people == 3


def test_other_keys_stay_when_one_is_destroyed(ring: KeyRing) -> None:
    """Whoever made a key too late takes back that one alone."""
    ring.admit("ann")
    name = name_of(ring, "ann")
    assert ring.destroy("ann", "00000000") == 0
    assert name_of(ring, "ann") == name
    assert ring.destroy("ann", name) == 1
    assert ring.current("ann") is None


def test_keys_are_destroyed_when_an_older_file_brought_them_back(ring: KeyRing) -> None:
    """Whose erasure this file knows, or who came after it, keeps theirs."""
    for person in ("ann", "bob", "cat"):
        ring.admit(person)
    asked_at = utc_now()
    ring.destroy("bob")
    ring.admit("bob")
    ring.admit("dan")
    with ring.alone() as connection:  # a clock that is behind
        bobs = update(DATA_KEYS).where(DATA_KEYS.c.user_id == "bob", DATA_KEYS.c.wrapped != b"")
        connection.execute(bobs.values(created_at="2026-01-01T00:00:00.000000Z"))
    others = {f"nobody {number}": asked_at for number in range(600)}
    erased_at = others | dict.fromkeys(("ann", "bob", "dan"), asked_at)
    assert ring.destroy_erased(erased_at) == 1
    assert ring.destroy_erased(erased_at) == 0
    assert ring.was_erased("ann")
    assert all(ring.current(person) for person in ("bob", "cat", "dan"))


def test_everyone_starts_when_the_database_is_new(url: str, keks: Keks) -> None:
    """Processes that come at the same moment make the tables one after the other."""
    start = Barrier(8)

    def begin(_: int) -> str:
        start.wait()
        opened = KeyRing.open(url, Keks(Path(keks.place)))
        opened.admit("ann")
        name = name_of(opened, "ann")
        opened.close()
        return name

    engine = create_engine(url)
    METADATA.drop_all(engine)
    engine.dispose()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(begin, range(8)))) == 1


def test_key_is_found_when_the_server_closed_the_connections(url: str, ring: KeyRing) -> None:
    """It was restarted; SQLite has none."""
    ring.admit("ann")
    grow_old(ring)
    if url.startswith("postgresql"):
        engine = create_engine(url)
        with engine.connect() as connection:
            close = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            mine = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            assert connection.execute(text(close + mine)).all()
        engine.dispose()
    assert ring.current("ann") is not None


@pytest.mark.parametrize("is_sealing", [True, False])
def test_key_opens_when_a_rotation_ends_while_it_is_read(
    url: str, ring: KeyRing, keks: Keks, *, is_sealing: bool
) -> None:
    """The row is from before, the file of KEKs from after: the row is read once more."""
    ring.admit("ann")
    name = name_of(ring, "ann")
    racing = RacingKeks(Path(keks.place))
    reader = KeyRing.open(url, racing)

    def rotate() -> None:
        ring.renew()
        ring.rotate()
        racing.all(again=True)

    racing.first = rotate
    assert reader.current("ann") if is_sealing else reader.find("ann", name)
    assert racing.first is None
    reader.close()


def test_unfinished_file_is_removed_when_keys_are_opened(url: str, ring: KeyRing) -> None:
    """It holds KEKs that a rotation removes from the file itself."""
    left = Path(f"{ring.keks.place}.new-killed")
    left.write_text(encoded(ring.keks.current))
    KeyRing.open(url, ring.keks).close()
    assert not left.exists()


def test_key_is_gone_when_destroyed(ring: KeyRing, url: str, keks: Keks) -> None:
    """It seals and opens nothing more, here at once and elsewhere after a moment."""
    ring.admit("ann")
    ring.admit("bob")
    name = name_of(ring, "ann")
    elsewhere = KeyRing.open(url, keks)
    assert elsewhere.find("ann", name) is not None
    assert ring.destroy("ann") == 1
    assert ring.destroy("ann") == 0
    for opened in (ring, elsewhere):
        grow_old(opened)
        assert opened.current("ann") is None
        assert opened.find("ann", name) is None
        assert opened.current("bob") is not None
    elsewhere.close()
    state = ring.state()
    assert (state.people, state.destroyed) == (1, 1)


def test_old_key_stays_gone_when_a_person_comes_back(ring: KeyRing) -> None:
    """They get another key."""
    ring.admit("ann")
    old = name_of(ring, "ann")
    ring.destroy("ann")
    ring.admit("ann")
    assert name_of(ring, "ann") != old
    assert ring.find("ann", old) is None


def test_key_is_not_remembered_when_destroyed_while_it_was_read(ring: KeyRing) -> None:
    """Between the reading and the remembering lies the erasure."""
    ring.admit("ann")
    key = ring.current("ann")
    assert key is not None
    seen = ring._destroyed
    ring.destroy("ann")
    ring._remember(ring._current, "ann", key, seen)
    assert ring.current("ann") is None


def test_bytes_are_gone_when_a_key_is_destroyed(tmp_path: Path, keks: Keks) -> None:
    """Neither the file nor its log holds the locked key any more."""
    ring = KeyRing.open(f"sqlite:///{tmp_path / 'keys.db'}", keks)
    ring.admit("ann")
    with ring.alone() as connection:
        wrapped = connection.execute(select(DATA_KEYS.c.wrapped)).scalar_one()
    found = [path for path in tmp_path.glob("keys.db*") if wrapped in path.read_bytes()]
    assert found
    ring.destroy("ann")
    assert not any(wrapped in path.read_bytes() for path in tmp_path.glob("keys.db*"))
    ring.close()


def test_key_does_not_open_when_it_was_moved_or_changed(ring: KeyRing) -> None:
    """Another person's key in one's own row, a flipped bit, a cut: none is taken."""
    ring.admit("ann")
    ring.admit("bob")
    ann = name_of(ring, "ann")
    with ring.alone() as connection:
        rows = {row.user_id: row for row in connection.execute(select(DATA_KEYS))}
    own, foreign = rows["ann"].wrapped, rows["bob"].wrapped
    for wrapped in (foreign, own[:-1], own[:4], b"", own[:20] + b"\x00" + own[21:] + b"x"):
        with ring.alone() as connection:
            mine = update(DATA_KEYS).where(DATA_KEYS.c.user_id == "ann")
            connection.execute(mine.values(wrapped=wrapped))
        ring._known.clear()
        with pytest.raises(DamagedError, match="does not open"):
            ring.find("ann", ann)


def test_start_is_refused_when_the_kek_is_missing(url: str, keks: Keks, tmp_path: Path) -> None:
    """No new one is made while people's keys need the old one."""
    ring = KeyRing.open(url, keks)
    ring.admit("ann")
    ring.close()
    (tmp_path / KEK_FILE).unlink()
    with pytest.raises(SettingsError, match="assist keys restore BACKUP"):
        KeyRing.open(url, Keks(tmp_path / KEK_FILE))
    assert not (tmp_path / KEK_FILE).exists()


def test_start_is_refused_when_the_kek_is_another(url: str, keks: Keks, ring: KeyRing) -> None:
    """The id of the one that is missing is named."""
    ring.admit("ann")
    wanted = keks.current.kek_id
    with pytest.raises(SettingsError, match=f"the key {wanted}, which is not in ASSIST_KEK"):
        KeyRing.open(url, Keks(Path("unused"), encoded(Kek.make())))


def test_keys_are_locked_anew_when_rotated(url: str, ring: KeyRing, keks: Keks) -> None:
    """A running process goes on, people's keys stay, the old KEK is gone."""
    running = KeyRing.open(url, Keks(Path(keks.place)))
    fill(ring, 700)
    before, old = sealed_by(ring, "person 5"), keks.current.kek_id
    seen: list[int] = []
    assert ring.renew()
    assert ring.rotate(seen.append) == 700
    assert seen == [500, 700]
    assert keks.find(old) is None
    assert ring.state().kek_ids == (keks.current.kek_id,)
    assert sealed_by(running, "person 5") == before
    running.admit("somebody new")
    assert ring.state().kek_ids == (keks.current.kek_id,)
    running.close()


def test_rotation_goes_on_when_it_was_begun(ring: KeyRing) -> None:
    """No third KEK is made beside one that is on its way."""
    ring.admit("ann")
    assert ring.renew()
    assert not ring.renew()
    assert len(ring.keks.all(again=True)) == 2
    assert ring.rotate() == 1
    assert ring.renew()


def test_nothing_is_lost_when_two_rotate_at_once(url: str, ring: KeyRing, keks: Keks) -> None:
    """Both end with the same KEK, and every key opens; people are let in meanwhile."""
    fill(ring, 1_200)
    rings = [KeyRing.open(url, Keks(Path(keks.place))) for _ in range(3)]

    def work(number: int) -> None:
        if number == 2:
            for person in range(20):
                rings[2].admit(f"new {person}")
            return
        for _ in range(3):
            rings[number].renew()
            rings[number].rotate()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    for opened in rings:
        opened.close()
    assert all_open(url, keks) == 1_220
    assert len(keks.all(again=True)) == 1


def test_keys_of_the_setting_are_locked_anew_when_rotated(ring: KeyRing, url: str) -> None:
    """The new one stands before the old one in ASSIST_KEK; nothing is written to a file."""
    ring.admit("ann")
    new, given = Kek.make(), encoded(ring.keks.current)
    both = KeyRing.open(url, Keks(Path("unused"), f"{encoded(new)},{given}"))
    assert not both.renew()
    assert both.rotate() == 1
    both.close()
    alone = KeyRing.open(url, Keks(Path("unused"), encoded(new)))
    assert sealed_by(alone, "ann") == sealed_by(ring, "ann")
    with pytest.raises(SettingsError, match="Put a new one before the old one"):
        alone.renew()
    alone.close()


@pytest.mark.parametrize(
    ("number", "kills"), [(300, 3), pytest.param(10_000, 20, marks=pytest.mark.slow)]
)
def test_every_key_opens_when_a_rotation_is_killed(tmp_path: Path, number: int, kills: int) -> None:
    """Killed at any moment, all can be read; at the end nothing is locked by the old KEK."""
    url, keks = f"sqlite:///{tmp_path / 'keys.db'}", Keks(tmp_path / KEK_FILE)
    ring = KeyRing.open(url, keks)
    fill(ring, number)
    first = keks.current.kek_id
    for kill in range(kills):
        kill_rotation(url, keks, after=0.02 * kill / kills)
        assert all_open(url, Keks(tmp_path / KEK_FILE)) == number
    ring.renew()
    ring.rotate()
    state = ring.state()
    ring.close()
    assert state.kek_ids == (state.kek_id,) != (first,)
    assert all_open(url, Keks(tmp_path / KEK_FILE)) == number
    assert len((tmp_path / KEK_FILE).read_text().split()) == 1


def test_nothing_is_told_of_a_key_when_shown(ring: KeyRing, keks: Keks) -> None:
    """Neither repr nor the state nor an error holds a byte of one."""
    ring.admit("ann")
    key = ring.current("ann")
    shown = f"{key!r} {ring!r} {ring.state()!r} {ring.keks!r}"
    assert encoded(keks.current) not in shown
    assert keks.current.key.hex()[:8] not in shown
    assert "wrapped" not in shown


def fill(ring: KeyRing, number: int) -> None:
    """Let many people in at once."""
    kek = ring.keks.all(again=True)[0]
    rows = [
        {
            "user_id": f"person {person}",
            "key_id": (key_id := f"{person:08x}"),
            "kek_id": kek.kek_id,
            "wrapped": kek.wrap(os.urandom(LENGTH), bound(f"person {person}", key_id)),
            "created_at": utc_now(),
        }
        for person in range(number)
    ]
    with ring.alone() as connection:
        connection.execute(insert(DATA_KEYS), rows)


def all_open(url: str, keks: Keks) -> int:
    """Open every key as a new process does, and return how many there are."""
    ring = KeyRing.open(url, keks)
    with ring.alone() as connection:
        rows = connection.execute(select(DATA_KEYS)).all()
    for row in rows:
        assert len(ring.unwrap(row)) == LENGTH
    ring.close()
    return len(rows)


def kill_rotation(url: str, keks: Keks, *, after: float) -> None:
    """Rotate in another process, and kill it a moment after it has begun."""
    command = [sys.executable, "-c", _ROTATION, url, keks.place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(after)
        process.kill()


def test_at_once_is_small_when_keys_are_locked_anew() -> None:
    """A rotation holds the lock for a few hundred keys, so that people are let in meanwhile."""
    assert keyring._AT_ONCE <= 500


class RacingKeks(Keks):
    """KEKs before whose first search something happens."""

    first: Callable[[], None] | None = None

    def find(self, kek_id: str) -> Kek | None:
        """Let it happen, and search."""
        if self.first is not None:
            first, self.first = self.first, None
            first()
        return super().find(kek_id)
