"""API keys: shown once, found at once, closed for good, never repeated."""

import json
import re
import secrets
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from agent.cli.keys import app
from agent.database import Database
from agent.errors import InputError, NotFoundError, StorageError
from agent.privacy.access import ROLES
from agent.privacy.keys import KeyInfo, KeyRow, KeyStore
from agent.privacy.people import People, pseudonym
from agent.privacy.secret import SECRET_FILE, Secret
from agent.settings import Settings

SECRET = Secret(b"s" * 32)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@pytest.fixture
def database(records_url: str) -> Iterator[Database]:
    """The records, on each database they have to run on."""
    opened = Database.open(records_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    """The clock of the keys."""
    return Clock()


@pytest.fixture
def open_keys(database: Database, clock: Clock) -> Iterator[Callable[..., KeyStore]]:
    """Open the keys, as a process does at its start."""
    opened = []

    def open_one(secret: Secret = SECRET) -> KeyStore:
        opened.append(KeyStore(database, People(database, secret), secret, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def keys(open_keys: Callable[..., KeyStore]) -> KeyStore:
    """The keys of that database."""
    return open_keys()


@pytest.fixture
def name() -> str:
    """A name that nobody had before."""
    return f"s-{secrets.token_hex(8)}"


def kept(keys: KeyStore, prefix: str) -> KeyInfo:
    """Return what is kept of a key."""
    (info,) = [info for info in keys.list() if info.prefix == prefix]
    return info


@pytest.mark.parametrize("role", ROLES)
def test_caller_is_found_when_the_key_is_sent(keys: KeyStore, name: str, role: str) -> None:
    """Owner, role and courses come from the key."""
    key, info = keys.create(f" {name} ", role, ["prog2", "prog1", "prog2 "])
    caller = keys.find(key)
    assert caller is not None
    assert (caller.name, caller.role, caller.courses) == (name, role, ("prog1", "prog2"))
    assert caller.user_id == pseudonym(SECRET, name)
    assert re.fullmatch(rf"aa_{info.prefix}_[A-Za-z0-9_-]{{43}}", key)


def test_person_has_several_keys_when_made_again(keys: KeyStore, name: str) -> None:
    """Each key opens with its own role and courses; they are one person."""
    found = [keys.find(keys.create(name, role)[0]) for role in ("student", "teacher")]
    assert [(one.role, one.courses) for one in found if one] == [("student", ()), ("teacher", ())]
    assert len({one.user_id for one in found if one}) == 1


def test_nobody_is_found_when_the_key_is_garbled(keys: KeyStore, name: str) -> None:
    """Only the very text that was shown is the key."""
    key, info = keys.create(name, "admin")
    last = "A" if key[-1] != "A" else "B"
    for wrong in (
        "", "aa_", key[:-1], f"{key}A", f" {key}", f"{key}\n", key[:-1] + last, key.upper(),
        key.replace(info.prefix, "00000000"), f"aa_{info.prefix}_{'0' * 43}", f"Bearer {key}",
        key[:-1] + "\0", key[:-1] + "\ud83d", key[:-1] + "é", key.replace("aa_", "ab_", 1),
        f"aa_{'0' * 8}_{'0' * 43}", f"aa_%_{key[12:]}", "a" * 10**6, "\0" * 55, "\ud83d" * 55,
    ):  # fmt: skip
        assert keys.find(wrong) is None
    assert keys.find(key) is not None


def test_nobody_is_found_when_the_installation_is_another(
    open_keys: Callable[..., KeyStore], name: str
) -> None:
    """A copy of the table without the secret opens nothing."""
    key, _ = open_keys().create(name, "admin")
    assert open_keys(Secret(b"t" * 32)).find(key) is None


def test_nobody_is_found_when_the_key_is_revoked(
    keys: KeyStore, open_keys: Callable[..., KeyStore], name: str, clock: Clock
) -> None:
    """It closes at once, in every process; closing it again keeps the first time."""
    key, info = keys.create(name, "student")
    other_key, _ = keys.create(name, "student")
    server = open_keys()
    assert server.find(key) is not None
    assert keys.revoke(info.prefix).revoked_at == "2026-11-22T12:00:00.000000Z"
    assert server.find(key) is None
    clock.move(days=1)
    assert keys.revoke(info.prefix).revoked_at == "2026-11-22T12:00:00.000000Z"
    assert server.find(other_key) is not None


@pytest.mark.parametrize("named", ["{prefix}", "aa_{prefix}", "{key}"])
def test_key_is_revoked_when_named_by_what_is_known_of_it(
    keys: KeyStore, name: str, named: str
) -> None:
    """Whoever finds a key in the open may name it whole."""
    key, info = keys.create(name, "student")
    assert keys.revoke(named.format(key=key, prefix=info.prefix)).prefix == info.prefix
    assert keys.find(key) is None


@pytest.mark.parametrize("wrong", ["", "00000000", "%", "aa_", "a\0b", f"aa_00000000_{'k' * 43}"])
def test_nothing_is_revoked_when_the_prefix_is_unknown(keys: KeyStore, wrong: str) -> None:
    """The error repeats nothing, for it could be a key."""
    with pytest.raises(NotFoundError, match=r"^There is no key of this prefix\. See 'assist keys"):
        keys.revoke(wrong)


def test_key_opens_until_its_moment_when_it_expires(
    keys: KeyStore, name: str, clock: Clock
) -> None:
    """The moment itself is too late, in whatever time zone it was written."""
    at = datetime.fromisoformat("2026-11-23T14:00:00+02:00")
    key, info = keys.create(name, "student", expires_at=at)
    assert info.expires_at == "2026-11-23T12:00:00.000000Z"
    clock.move(days=1, microseconds=-1)
    assert keys.find(key) is not None
    clock.move(microseconds=1)
    assert keys.find(key) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "The name is not a login name"),
        ({"role": "root"}, "The role 'root' is not known. Use one of: student, teacher, auditor"),
        ({"role": "local"}, "The role 'local' is not known"),
        ({"courses": ["prog1", ""]}, "The course '' is none"),
        ({"courses": ["a\0b"]}, "holds characters that cannot be seen"),
        ({"courses": ["x" * 101]}, "longer than 100 characters"),
        ({"expires_at": datetime(2026, 11, 22, 12, tzinfo=UTC)}, "would expire on 2026-11-22"),
    ],
)
def test_key_is_refused_when_it_does_not_fit(
    keys: KeyStore, name: str, wrong: dict[str, Any], said: str
) -> None:
    """What is wrong, which value, what to do; nothing is kept."""
    before = len(keys.list())
    with pytest.raises(InputError) as refused:
        keys.create(**{"name": name, "role": "student", **wrong})
    assert said in str(refused.value)
    assert len(keys.list()) == before


def test_every_way_to_nobody_costs_the_same_when_looked_up(
    keys: KeyStore, database: Database, name: str
) -> None:
    """One look-up, one digest, one comparison: what the store did tells nothing of the key."""
    valid, _ = keys.create(name, "student")
    revoked, other = keys.create(name, "student")
    keys.revoke(other.prefix)
    keys.find(valid)
    keys.close()  # its use is written before the statements are counted
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    for key in (valid, revoked, "garbled", f"aa_00000000_{valid[12:]}", f"{valid[:-4]}none"):
        statements.clear()
        keys.find(key)
        assert [one for one in statements if "BEGIN" not in one] == [statements[-1]]
        assert "FROM keys JOIN people" in statements[-1]


def test_use_is_kept_to_the_minute_when_a_key_is_used(
    keys: KeyStore, open_keys: Callable[..., KeyStore], name: str, clock: Clock
) -> None:
    """The first use of a minute is written, by whichever process saw it; a wrong key is no use."""
    key, info = keys.create(name, "student")
    keys.find(f"{key[:-4]}none")
    for seconds, kept_at in (
        (0, "12:00"),
        (59, "12:00"),
        (1, "12:01"),
        (59, "12:01"),
        (1, "12:02"),
    ):
        clock.move(seconds=seconds)
        for server in (open_keys(), open_keys()):
            server.find(key)
            server.find(key)
            server.close()
        assert kept(keys, info.prefix).last_used_at == f"2026-11-22T{kept_at}:00.000000Z"


def test_use_is_kept_once_when_two_processes_note_it(keys: KeyStore, name: str) -> None:
    """A note that comes late finds the minute taken and changes nothing."""
    _, info = keys.create(name, "student")
    for second in ("30", "00", "45"):
        used_at, stale = f"2026-11-22T12:01:{second}", f"2026-11-22T12:00:{second}"
        keys._keep_use(info.prefix, used_at, stale)
    assert kept(keys, info.prefix).last_used_at == "2026-11-22T12:01:30"


def test_answer_waits_for_nothing_when_the_use_cannot_be_written_yet(
    keys: KeyStore, database: Database, name: str
) -> None:
    """Another writer's transaction holds up the note, not the request."""
    key, info = keys.create(name, "student")
    with database.begin() as session:
        session.get_one(KeyRow, info.prefix, with_for_update=True)
        with ThreadPoolExecutor(1) as request:
            assert request.submit(keys.find, key).result(timeout=2) is not None
        assert kept(keys, info.prefix).last_used_at is None
    keys.close()
    assert kept(keys, info.prefix).last_used_at is not None


def test_key_stands_nowhere_when_kept_or_shown(
    keys: KeyStore, database: Database, name: str, tmp_path: Path
) -> None:
    """Rows, files and reprs hold a digest and a prefix; reprs hold no name either."""
    key, info = keys.create(name, "student", ["prog1"])
    caller = keys.find(key)
    with database.read() as session:
        row = session.get_one(KeyRow, info.prefix)
    shown = "".join(f"{value!r} {value}" for value in (row, info, caller, keys))
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key[12:] not in f"{shown} {vars(row)}"
    assert key[12:].encode() not in stored
    assert name not in shown
    assert len(row.digest) == 64


def test_key_stands_in_no_error_when_the_store_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an error nor what caused it quotes the key, and a digest is no key."""
    database = Database.open(f"sqlite:///{tmp_path / 'broken.db'}")
    keys = KeyStore(database, People(database, SECRET), SECRET)
    key, _ = keys.create("ann", "student")
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: key[12:])
    with database.begin() as session:
        session.execute(text("ALTER TABLE keys RENAME TO lost"))
    for use in (lambda: keys.find(key), lambda: keys.create("ann", "student")):
        with pytest.raises(StorageError) as failed:
            use()
        assert key[12:] not in "".join(traceback.format_exception(failed.value))
    keys.close()
    database.close()


@pytest.fixture
def assist(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Run a command of `assist keys`; return its standard output and its standard error."""

    def run(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        app(arguments, standalone_mode=False)
        return capsys.readouterr()

    return run


def test_key_is_printed_alone_when_made_in_the_terminal(
    assist: Callable[..., tuple[str, str]], settings: Settings
) -> None:
    """Standard output is the key, fit for a pipe; how to use and close it stands beside."""
    courses = ("--course", "prog1", "--course", "prog2")
    out, err = assist("create", "ann", "--role", "teacher", *courses, "--expires", "2999-03-31")
    key = out.removesuffix("\n")
    secret = Secret.open(settings.data_dir / SECRET_FILE)
    database = Database.open(settings.records_url)
    keys = KeyStore(database, People(database, secret), secret)
    caller, (info,) = keys.find(key), keys.list()
    keys.close()
    database.close()
    assert caller is not None
    assert (caller.role, caller.courses) == ("teacher", ("prog1", "prog2"))
    assert info.expires_at == "2999-04-01T00:00:00.000000Z"
    assert f"assist keys revoke {info.prefix}" in err
    assert "Authorization: Bearer" in err
    assert key[12:] not in err
    assert f", used {info.created_at[:10]}, expires" in assist("list")[0]


def test_keys_are_listed_when_made_and_revoked(assist: Callable[..., tuple[str, str]]) -> None:
    """A line a key, with what became of it; never the key."""
    assert assist("list")[0].startswith("No key was made yet.")
    key = assist("create", "ann", "--role", "student", "--expires", "2999-03-31")[0].strip()
    assist("create", "bob", "--role", "teacher", "--course", "prog1")
    assert assist("revoke", key[3:11])[0] == f"{key[3:11]} opens nothing any more.\n"
    out, _ = assist("list")
    first, second = out.splitlines()
    assert first.startswith(f"{key[3:11]}  student  ann  no course  (created ")
    assert "expires at 2999-04-01 00:00 UTC, revoked " in first
    assert second[8:].startswith("  teacher  bob  prog1  (created ")
    listed = json.loads(assist("list", "--json")[0])
    assert [(one["name"], one["courses"]) for one in listed] == [("ann", []), ("bob", ["prog1"])]
    assert key[12:] not in f"{out} {listed}"


@pytest.mark.parametrize("day", ["soon", "2026-13-01", "9999-12-31", "2026-11-21"])
def test_expiry_is_refused_when_it_is_no_day_to_come(
    assist: Callable[..., tuple[str, str]], day: str
) -> None:
    """Both what is no date and what is past are said to be so."""
    with pytest.raises(InputError, match=r"is not a date\. Write it like|which is past"):
        assist("create", "ann", "--role", "student", "--expires", day)
    assert "No key" in assist("list")[0]
