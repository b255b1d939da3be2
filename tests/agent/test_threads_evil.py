"""Rows that somebody planted in threads.db: none runs, and none comes back as state."""

import json
import os
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent.errors import DamagedError, ErasedError
from agent.privacy.vault import Cell, Vault
from agent.serde import SEALED, SealingSerializer, remembering
from tests.agent.test_threads import ADA, cells, change, path, recall, say, vault

assert path, vault  # the fixtures

MARKED = "marked"
"""The folder that an evil row makes, if it runs."""


WRITE = (
    "INSERT OR REPLACE INTO writes VALUES (:ada, '', :id, 'evil', '', 0, 'note', :type, :content)"
)
CHECKPOINT = "UPDATE checkpoints SET type = :type, checkpoint = :content WHERE checkpoint_id = :id"


class Pickled:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str, command: Any) -> None:
        self._reduced = (
            command,
            (folder if command is not subprocess.Popen else ["mkdir", folder],),
        )

    def __reduce__(self) -> Any:
        return self._reduced


def packed(code: int, *parts: object) -> bytes:
    """Return a constructor as LangGraph packs it."""
    inner = ormsgpack.packb(parts)
    return ormsgpack.packb({"channel_values": {"note": ormsgpack.Ext(code, inner)}})


def constructors(folder: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield what would run something, as name, packing and bytes."""
    popen = {"args": ["mkdir", folder]}
    calls: list[tuple[str, str, Any]] = [
        ("os", "mkdir", folder),
        ("os", "makedirs", folder),
        ("os", "system", f"mkdir {folder}"),
        ("subprocess", "Popen", ["mkdir", folder]),
        ("subprocess", "check_call", ["mkdir", folder]),
        ("builtins", "exec", f"import os; os.mkdir({folder!r})"),
        ("builtins", "eval", f"__import__('os').mkdir({folder!r})"),
    ]
    for module, name, argument in calls:
        yield f"{name} of one argument", "msgpack", packed(0, module, name, argument)
        yield f"{name} of arguments", "msgpack", packed(1, module, name, [argument])
    yield "named arguments", "msgpack", packed(2, "os", "mkdir", {"path": folder})
    yield "Popen by name", "msgpack", packed(2, "subprocess", "Popen", popen)
    yield "a method", "msgpack", packed(3, "pathlib", "Path", folder, "mkdir")
    yield "a method of os", "msgpack", packed(3, "os", "path", folder, "exists")
    yield "pydantic 1", "msgpack", packed(4, "subprocess", "Popen", popen)
    yield "pydantic 2", "msgpack", packed(5, "subprocess", "Popen", popen, "model_construct")
    nested = ormsgpack.Ext(0, ormsgpack.packb(("os", "mkdir", folder)))
    yield "nested", "msgpack", ormsgpack.packb({"a": [{"b": nested}]})
    plain = ormsgpack.packb({"channel_values": {"note": "planted"}})
    yield "plain state", "msgpack", plain


def documents(folder: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield what LangChain's JSON and Python's pickle would rebuild."""
    for number, ids, kwargs in (
        (1, ["subprocess", "Popen"], {"args": ["mkdir", folder]}),
        (2, ["subprocess", "Popen"], {"args": ["mkdir", folder]}),
        (2, ["os", "mkdir"], {"path": folder}),
        (2, ["pathlib", "Path"], {}),
        (1, ["langchain_core", "messages", "HumanMessage"], {"content": "planted"}),
    ):
        value = {"lc": number, "type": "constructor", "id": ids, "kwargs": kwargs}
        yield f"lc:{number} {ids[-1]}", "json", json.dumps({"note": value}).encode()
    secret = {"lc": 1, "type": "secret", "id": ["HOME"]}
    yield "lc:1 secret", "json", json.dumps({"note": secret}).encode()
    construct = {"lc": 2, "type": "constructor", "id": ["os", "mkdir"], "method": "__call__"}
    yield "lc:2 method", "json", json.dumps({**construct, "args": [folder]}).encode()
    for command in (os.mkdir, os.makedirs, subprocess.Popen):
        yield f"pickled {command.__name__}", "pickle", pickle.dumps(Pickled(folder, command))


EVIL = [name for rows in (constructors(""), documents("")) for name, *_ in rows]


def evil(name: str, folder: Path) -> tuple[str, bytes]:
    """Return a row of this name, which makes the folder if it runs."""
    rows = [*constructors(str(folder)), *documents(str(folder))]
    return next((packing, content) for one, packing, content in rows if one == name)


@pytest.mark.anyio
@pytest.mark.parametrize("name", EVIL)
async def test_evil_row_is_refused_when_planted(
    path: Path, vault: Vault, tmp_path: Path, name: str
) -> None:
    """In clear and as if it were sealed, as a checkpoint and as a write."""
    await say(path, vault, ADA)
    packing, content = evil(name, tmp_path / MARKED)
    (last,) = {max(row[2] for row in cells(path))}
    for planted in (WRITE, CHECKPOINT):
        for suffix in ("", SEALED, "+aes"):
            values = {"type": packing + suffix, "content": content, "id": last}
            assert change(path, planted, ada=ADA.thread_key, **values)
            with pytest.raises((DamagedError, ErasedError), match="Begin a new thread"):
                await recall(path, vault, ADA)
    assert not (tmp_path / MARKED).exists()


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name in EVIL if name != "plain state"])
async def test_evil_value_is_refused_when_it_is_sealed_well(
    vault: Vault, tmp_path: Path, name: str
) -> None:
    """Whoever has the person's key gets nothing run either, and no remains of it as state."""
    packing, content = evil(name, tmp_path / MARKED)
    serde = SealingSerializer(vault).at(ADA.thread_key)
    sealed = vault.seal_bytes(
        Cell("threads", packing, json.dumps(serde.place), ADA.user_id), content
    )
    with remembering(ADA), pytest.raises(DamagedError):
        serde.loads_typed((packing + SEALED, sealed))
    assert not (tmp_path / MARKED).exists()


def test_evil_rows_run_when_nothing_guards(tmp_path: Path) -> None:
    """The control: LangGraph's permissive serializer makes the folder."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=True, pickle_fallback=True)
    for name in ("mkdir of one argument", "pickled mkdir"):
        folder = tmp_path / name.replace(" ", "-")
        serde.loads_typed(evil(name, folder))
        assert folder.exists()
