"""What a power cut loses: the real writer on a disk that forgets what was not synced.

SQLite runs on a file system of ours in memory, through apsw. At random moments the disk is copied
as it would be found after a cut: each file as it was at its last sync, and of the writes since
then a random half, some of them torn. SQLite recovers the copy, and what was acknowledged before
has to be in it. The control does the same with `synchronous=NORMAL`. Beside it, strace counts how
often the writer really syncs before it acknowledges.
Usage: python -m benchmarks.power [--lives N] [--cuts N] [--output FILE]
"""

import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import StaticPool, create_engine, event

from agent.database import Database, _begin, _set_pragmas, to_json
from agent.recording.run_store import Changes, RunStore
from agent.recording.writer import Writer
from benchmarks.disk import Connection, Disk

_ROOT = Path(__file__).parents[1]
_CLIENTS = 8
_OPERATIONS = 2_000
"""Writes, syncs and truncations between two cuts, at most."""
_GROUPS = 200
_SYNC = re.compile(r"^(\d+) +(?:fsync|fdatasync)\(\d+<([^>]*)>(.*)")
_SYNCED = re.compile(r"^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>.*= 0$")


@dataclass
class Found:
    """What was found after cuts."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    cuts_that_lost: int = 0
    corrupt: int = 0
    syncs: int = 0


class Life:
    """One writer with its clients, from an empty database until so many cuts have been made."""

    def __init__(self, folder: Path, synchronous: str, cuts: int, found: Found) -> None:
        self._folder = folder
        self._synchronous = synchronous
        self._left = cuts
        self._found = found
        self._acknowledged: set[str] = set()
        self._checked = 0
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._operations = self._next()

    def live(self, image: bytes) -> None:
        """Record runs until the last cut."""
        self._disk = Disk(image, self._count)
        with _database_on(self._disk, self._synchronous) as database:
            writer = Writer(RunStore(database))
            with ThreadPoolExecutor(_CLIENTS) as pool:
                for asking in [pool.submit(self._ask, writer) for _ in range(_CLIENTS)]:
                    asking.result()
            writer.close()
        self._found.acknowledged += self._checked
        self._found.lost += len(self._lost)
        self._found.syncs += self._disk.syncs

    def _ask(self, writer: Writer) -> None:
        while self._left:
            run_id = str(uuid.uuid4())
            writer.submit(_start(run_id))
            writer.wait()
            writer.submit(_end(run_id))
            writer.wait()
            with self._lock:
                self._acknowledged.add(run_id)

    def _count(self) -> None:
        """Cut when it is time; the writer's thread waits meanwhile, as everything does then."""
        self._operations -= 1
        if self._operations or not self._left:
            return
        with self._lock:
            acknowledged = set(self._acknowledged)
        self._check(acknowledged)
        self._operations = self._next()
        self._left -= 1

    def _check(self, acknowledged: set[str]) -> None:
        for path in self._folder.iterdir():
            path.unlink()
        for name, medium in self._disk.media.items():
            (self._folder / name.lstrip("/")).write_bytes(medium.after_a_cut())
        self._found.cuts += 1
        self._checked = len(acknowledged)
        try:
            kept = _recover(self._folder / "records.db")
        except sqlite3.DatabaseError:
            self._found.corrupt += 1
            return
        lost = acknowledged - kept
        self._lost |= lost
        self._found.cuts_that_lost += bool(lost)

    def _next(self) -> int:
        return random.randint(1, _OPERATIONS)  # noqa: S311 - a moment


def main() -> None:
    """Cut the power so many times, and write what was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lives", type=int, default=10)
    parser.add_argument("--cuts", type=int, default=20, help="in each life")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--write", type=Path, help="only write in this folder, for strace")
    options = parser.parse_args()
    if options.write:
        _write_groups(options.write)
        return
    result = {mode: vars(cut(mode, options.lives, options.cuts)) for mode in ("FULL", "NORMAL")} | {
        "strace": count_syncs()
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def cut(synchronous: str, lives: int, cuts: int) -> Found:
    """Return what is found after so many cuts in each of so many lives."""
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Database.open(f"sqlite:///{folder / 'records.db'}").close()
        image = (folder / "records.db").read_bytes()
        for _ in range(lives):
            Life(folder, synchronous, cuts, found).live(image)
    return found


def count_syncs() -> dict[str, Any]:
    """Count the syncs of the write-ahead log before each acknowledgement of a real writer."""
    if not shutil.which("strace"):
        return {"skipped": "strace is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "strace.log"
        command = [sys.executable, "-m", "benchmarks.power", "--write", folder]
        traced = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(log)]
        done = subprocess.run([*traced, *command], cwd=_ROOT, capture_output=True, check=False)
        if done.returncode:
            return {"skipped": "strace may not trace here"}
        counts = list(_syncs_before_each(log.read_text("utf-8", "replace").splitlines()))
    return {
        "groups": len(counts),
        "groups_without_a_sync": counts.count(0),
        "syncs_per_group": round(sum(counts) / len(counts), 2),
    }


def _syncs_before_each(lines: list[str]) -> Iterator[int]:
    """Yield how many syncs of the log had ended between two acknowledgements."""
    syncs, under_way = 0, dict[str, str]()
    for line in lines:
        if begun := _SYNC.match(line):
            thread, path, rest = begun.groups()
            if rest.endswith("= 0"):
                syncs += path.endswith("-wal")
            else:
                under_way[thread] = path
        elif (ended := _SYNCED.match(line)) and under_way.pop(ended[1], "").endswith("-wal"):
            syncs += 1
        elif "acknowledged" in line:
            yield syncs
            syncs = 0


def _write_groups(folder: Path) -> None:
    """Write groups of runs, and say of each when it was acknowledged."""
    database = Database.open(f"sqlite:///{folder / 'records.db'}")
    writer = Writer(RunStore(database))
    for _ in range(_GROUPS):
        for _ in range(_CLIENTS):
            run_id = str(uuid.uuid4())
            writer.submit(_start(run_id))
            writer.submit(_end(run_id))
        writer.wait()
        os.write(1, b"acknowledged\n")
    writer.close()
    database.close()


@contextmanager
def _database_on(disk: Disk, synchronous: str) -> Iterator[Database]:
    """Open the records as the product does, but for the disk and its one connection."""
    connection: Any = Connection(disk)
    connection.inner.execute("PRAGMA locking_mode=EXCLUSIVE")
    _set_pragmas(connection, None)
    if connection.inner.pragma("synchronous") != 2:  # noqa: PLR2004 - FULL
        message = "the records are not written with synchronous=FULL"
        raise RuntimeError(message)
    connection.inner.pragma("synchronous", synchronous)
    engine = create_engine(
        "sqlite://", creator=lambda: connection, poolclass=StaticPool, json_serializer=to_json
    )
    event.listen(engine, "begin", _begin)
    yield Database(engine)
    engine.dispose()


def _start(run_id: str) -> Callable[[Changes], None]:
    row = {
        "run_id": run_id,
        "root_run_id": run_id,
        "run_type": "llm",
        "name": "llm",
        "status": "started",
        "started_at": "2026-11-22T10:00:00.000000Z",
        "user_id": "u",
        "content": "kept",
        "prompt": "Plan the parser of a small calculator. " * 38,
    }
    return lambda changes: changes.start(row)


def _end(run_id: str) -> Callable[[Changes], None]:
    def change(changes: Changes) -> None:
        values = {"status": "done", "response": "First read the tokens. " * 65}
        changes.end(run_id, values)
        changes.to_send.append(run_id)

    return change


def _recover(path: Path) -> set[str]:
    """Return the runs that are done and in the outbox, once SQLite has recovered the file."""
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            message = "quick_check"
            raise sqlite3.DatabaseError(message)
        done = connection.execute(
            "SELECT run_id FROM runs JOIN outbox ON subject_id = run_id WHERE status = 'done'"
        )
        return {run_id for (run_id,) in done}


if __name__ == "__main__":
    main()
