"""An installation in which two people have left something in every store."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.blocking import Assistant
from agent.privacy.access import Caller
from agent.settings import Settings
from tests.agent.test_assistant import BRIEF, NOTE

ADA, BEN = "s7391-ada", "s7392-ben"
ROSTER = f"""login,first name,last name,e-mail,student id,username
{ADA},Adalina,Quagmarmalade,a.quagmarmalade@quillmail.ch,20-884-913,quagada
{BEN},Benvolio,Wimbledoodle,b.wimbledoodle@quillmail.ch,20-884-914,wimben
"""
NAMES = {
    ADA: (ADA, "Adalina", "Quagmarmalade", "a.quagmarmalade@quillmail.ch", "20-884-913", "quagada"),
    BEN: (BEN, "Benvolio", "Wimbledoodle", "b.wimbledoodle@quillmail.ch", "20-884-914", "wimben"),
}
WORDS = {ADA: "zanzibarquux", BEN: "timbuktuquux"}
"""A word that each writes everywhere."""


@dataclass(frozen=True)
class Scene:
    """The open assistant, and its two people."""

    assistant: Assistant
    ada: Caller
    ben: Caller


@contextmanager
def peopled(folder: Path, **changes: Any) -> Iterator[Scene]:
    """Open an assistant that two people have used in every way, and who agreed to be recorded."""
    with opened(folder, **changes) as scene:
        for caller in (scene.ada, scene.ben):
            use(scene.assistant, caller)
        yield scene


@contextmanager
def opened(folder: Path, **changes: Any) -> Iterator[Scene]:
    """Open an assistant with a course of two people, who have asked nothing yet."""
    courses = folder / "data" / "courses"
    courses.mkdir(parents=True, exist_ok=True)
    (courses / "prog1.toml").write_text('name = "One"\n', "utf-8")
    (folder / "people.csv").write_text(ROSTER, "utf-8")
    (folder / "note.md").write_text(NOTE, "utf-8")
    settings = Settings(data_dir=folder / "data", **{"auth": "keys", **changes})
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
        assistant.stores.roster.import_roster("prog1", folder / "people.csv")
        ada, ben = (_caller(assistant, name) for name in (ADA, BEN))
        yield Scene(assistant, ada, ben)


def use(assistant: Assistant, caller: Caller) -> None:
    """Agree, ask twice on a thread and once on another, plan, and judge."""
    word = WORDS[caller.name]
    assistant.stores.consent.decide(caller.user_id, "given", door="http")
    first = assistant.ask(f"How do I count {word}?", caller=caller, prompt_type="chat")
    assistant.ask(
        f"And {word} in code?", caller=caller, prompt_type="codegen", thread_id=first.thread_id
    )
    assistant.ask(f"{BRIEF} {word}", caller=caller, prompt_type="planning")
    assistant.give_feedback(first.run_id, rating="positive", comment=word, caller=caller)


def digest_of(folder: Path, caller: Caller) -> str:
    """Return a digest of every stored byte that is a person's."""
    with closing(sqlite3.connect(folder / "data" / "records.db")) as records:
        found: list[Any] = []
        for table in ("runs", "assignments", "feedback", "consent_ledger", "people", "threads"):
            query = f"SELECT * FROM {table} WHERE user_id = ? ORDER BY 1"  # noqa: S608 - own names
            found += records.execute(query, [caller.user_id]).fetchall()
        for table in ("keys", "enrolments"):
            query = f"SELECT * FROM {table} WHERE name = ? ORDER BY 1"  # noqa: S608 - own names
            found += records.execute(query, [caller.name]).fetchall()
        keys = [key for (key,) in records.execute(
            "SELECT thread_key FROM threads WHERE user_id = ? ORDER BY 1", [caller.user_id]
        )]  # fmt: skip
    with closing(sqlite3.connect(folder / "data" / "threads.db")) as threads:
        for key in keys:
            for table in ("checkpoints", "writes"):
                query = f"SELECT * FROM {table} WHERE thread_id = ? ORDER BY 1, 2, 3"  # noqa: S608
                found += threads.execute(query, [key]).fetchall()
    with closing(sqlite3.connect(folder / "data" / "keys.db")) as data_keys:
        query = "SELECT * FROM data_keys WHERE user_id = ?"
        found += data_keys.execute(query, [caller.user_id]).fetchall()
    return hashlib.sha256(repr(found).encode()).hexdigest()


def rows_about(folder: Path, caller: Caller) -> dict[str, int]:
    """Count the rows of each table in which a person's id or name stands in any column."""
    counts = {}
    for name in ("records.db", "threads.db"):
        with closing(sqlite3.connect(folder / "data" / name)) as database:
            tables = [row[0] for row in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )]  # fmt: skip
            for table in tables:
                rows = database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                about = [r for r in rows if caller.user_id in repr(r) or caller.name in repr(r)]
                counts[table] = len(about)
    return {table: count for table, count in counts.items() if count}


def _caller(assistant: Assistant, name: str) -> Caller:
    key, _ = assistant.stores.keys.create(name, "student", ["prog1"])
    return assistant.admission.caller_of(key)
