"""The folder that MiniLM is loaded from: made once in 8 bits, whole or not at all, and checked.

A manifest in it names where the weights came from and the SHA-256 of each file, which is
compared at every load. It knows nothing of texts or of the index.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from retrieval.embedding.carriers import INSTALL, Carrier, Weights, carriers
from retrieval.embedding.encoder import PREPARE, Encoder
from retrieval.embedding.quantization import check_packages, quantized
from retrieval.errors import RetrievalError

_NETWORK = "model.onnx"
_TOKENIZER = "tokenizer.json"
_MANIFEST = "manifest.json"
_OURS = {_NETWORK, _TOKENIZER, _MANIFEST}
_RECIPE = 1
"""Raised when the files are made in another way, so that older ones are made anew."""
_WAIT_SECONDS = 600.0
_PROBES = (
    "Sort a list of numbers in descending order.",
    "def is_prime(n): return all(n % d for d in range(2, n))",
    "The parcel has to arrive before Friday, or the order is void.",
    "binary tree",
)
_LEAST_LIKENESS = 0.95
"""The cosine to the 32-bit vector; measured 0.99. A processor that cuts off sums falls below."""


class Files(NamedTuple):
    """What an encoder is made of."""

    network: bytes
    tokenizer: bytes


@dataclass(frozen=True)
class Prepared:
    """A folder that is ready, and how it became so."""

    folder: Path
    source: str
    """Where the weights came from."""
    bytes: int
    """The size of all files."""
    seconds: float
    already_there: bool
    """Nothing was to be done."""
    refused: tuple[str, ...] = ()
    """What was found on the way and not used, each with its reason."""


def prepare(folder: Path, *, download: bool) -> Prepared:
    """Fill a folder with MiniLM in 8 bits, unless it is there already.

    Args:
        folder: where the files are to be; it may not hold any others.
        download: whether the archive may be loaded from the network where nothing is near.

    Raises:
        RetrievalError: the weights are nowhere, are not MiniLM's, or cannot be written.
    """
    return prepare_from(folder, carriers(download=download))


def is_prepared(folder: Path) -> bool:
    """Say whether the folder holds the files that its manifest names, unchanged."""
    try:
        read_prepared(folder)
    except RetrievalError:
        return False
    return True


def read_prepared(folder: Path) -> Files:
    """Return the files of a folder, checked.

    Raises:
        RetrievalError: one is missing or is not the one that was made.
    """
    digests = {name: of["sha256"] for name, of in _manifest(folder)["files"].items()}
    found = {name: _read(folder / name) for name in (_NETWORK, _TOKENIZER)}
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != digests.get(name):
            raise RetrievalError(
                f"{str(folder / name)!r} is not the file that was made there. It is not used. "
                f"Run: {PREPARE}"
            )
    return Files(found[_NETWORK], found[_TOKENIZER])


def prepare_from(
    folder: Path, places: Sequence[Carrier], *, wait_seconds: float = _WAIT_SECONDS
) -> Prepared:
    """Fill a folder from the first place that has the weights."""
    started = time.monotonic()
    folder = folder.resolve()
    if is_prepared(folder):
        return _ready(folder, started, already_there=True)
    check_packages()
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder, wait_seconds):
            # Another process may have done it meanwhile.
            if is_prepared(folder):
                return _ready(folder, started, already_there=True)
            refused = _fill(folder, places)
    except OSError as error:
        raise RetrievalError(
            f"MiniLM's files cannot be written to {str(folder)!r} ({error}). "
            f"Make room or give access, then run: {PREPARE}"
        ) from error
    return _ready(folder, started, already_there=False, refused=refused)


def _fill(folder: Path, places: Sequence[Carrier]) -> tuple[str, ...]:
    """Make the files beside the folder and put them in its place; return what was refused."""
    _refuse_other_files(folder)
    new, old = _beside(folder, "new"), _beside(folder, "old")
    for left in (new, old):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(mode=0o700)
    try:
        with TemporaryDirectory(dir=new) as work:
            place, weights, refused = _first(places, Path(work))
            network = quantized(weights.network, Path(work))
        _check_likeness(weights, network)
        _write(new, place, weights, network)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        _sync(folder.parent)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
    return refused


def _first(places: Sequence[Carrier], work: Path) -> tuple[str, Weights, tuple[str, ...]]:
    refused: list[str] = []
    for place in places:
        try:
            weights = place.fetch(work)
        except (RetrievalError, OSError) as error:
            refused.append(str(error))
            continue
        if weights is not None:
            return place.name, weights, tuple(refused)
    names = ", ".join(place.name for place in places)
    raise RetrievalError(
        f"The weights of MiniLM were not found in: {names}. Run: {INSTALL}, and then: {PREPARE}"
        + "".join(f"\nNot used: {reason}" for reason in refused)
    )


def _check_likeness(weights: Weights, network: bytes) -> None:
    """Refuse a network whose vectors are not nearly those of the weights it was made from."""
    exact = Encoder(weights.network, weights.tokenizer)
    made = Encoder(network, weights.tokenizer)
    least = min(float(exact.vector(text) @ made.vector(text)) for text in _PROBES)
    if not least >= _LEAST_LIKENESS:
        raise RetrievalError(
            f"MiniLM in 8 bits is only {least:.3f} like the original on this processor, and "
            f"{_LEAST_LIKENESS} is needed. Set another embedding: ASSIST_EMBEDDINGS=local"
        )


def _write(new: Path, source: str, weights: Weights, network: bytes) -> None:
    files = {_NETWORK: network, _TOKENIZER: weights.tokenizer}
    manifest = {
        "recipe": _RECIPE,
        "source": source,
        "source_sha256": dict(weights.digests),
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
        "made_with": {name: version(name) for name in ("onnx", "onnxruntime")},
    }
    written = json.dumps(manifest, indent=2).encode() + b"\n"
    for name, content in {**files, _MANIFEST: written}.items():
        handle = os.open(new / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync(new)


def _ready(
    folder: Path, started: float, *, already_there: bool, refused: tuple[str, ...] = ()
) -> Prepared:
    manifest = _manifest(folder)
    return Prepared(
        folder=folder,
        source=str(manifest["source"]),
        bytes=sum((folder / name).stat().st_size for name in _OURS),
        seconds=time.monotonic() - started,
        already_there=already_there,
        refused=refused,
    )


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(_read(path))
        recipe, _ = manifest["recipe"], manifest["source"]
        _ = {name: of["sha256"] for name, of in manifest["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RetrievalError(
            f"{str(path)!r} is not a manifest of MiniLM's files ({error!r}). Run: {PREPARE}"
        ) from error
    if recipe != _RECIPE:
        raise RetrievalError(
            f"MiniLM's files at {str(folder)!r} are of recipe {recipe!r}, and this version makes "
            f"{_RECIPE}. Run: {PREPARE}"
        )
    return manifest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RetrievalError(
            f"MiniLM is not prepared: there is no {str(path)!r}. Run: {PREPARE}"
        ) from error
    except OSError as error:
        raise RetrievalError(
            f"MiniLM's file {str(path)!r} cannot be read ({error}). Give access, or run: {PREPARE}"
        ) from error


def _refuse_other_files(folder: Path) -> None:
    """The folder is replaced whole; nothing that somebody else put there may go with it."""
    if folder.is_dir():
        others = sorted({path.name for path in folder.iterdir()} - _OURS)
        if not others:
            return
    elif not folder.exists():
        return
    else:
        others = [folder.name]
    raise RetrievalError(
        f"{str(folder)!r} holds {others[0]!r}, which is not MiniLM's. Move it away, or name an "
        "empty folder."
    )


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


@contextmanager
def _alone(folder: Path, wait_seconds: float) -> Iterator[None]:
    """Be the only one that fills the folder; a killed process's lock is gone with it."""
    held = None
    try:
        held = sqlite3.connect(_beside(folder, "lock"), timeout=wait_seconds, isolation_level=None)
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if held is not None:
            held.close()
        raise RetrievalError(
            f"{str(folder)!r} could not be locked in {wait_seconds:.0f} seconds ({error}). "
            f"Wait until no other process prepares it, then run: {PREPARE}"
        ) from error
    with closing(held):
        yield


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
