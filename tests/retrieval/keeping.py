"""What the tests of stores share: chunks without documents, and processes that use an index."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import numpy as np
from langchain_core.embeddings import Embeddings
from numpy import float32
from numpy.typing import NDArray
from pydantic import SecretStr

from retrieval.storing.hosted import HostedStore
from retrieval.storing.rows import Entry, Row
from tests.servers.running import free_port

ROOT = Path(__file__).parents[2]


class LengthEmbeddings(Embeddings):
    """Three numbers a text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a vector that depends on the length."""
        return [1.0, len(text) / 1000, 0.5]


def entry(document_id: str, text: str, *, position: int = 0) -> Entry:
    """Return one chunk of a document of which nothing is known but its text."""
    row = Row(
        document_id=document_id,
        name="",
        title="",
        language="",
        framework="",
        topic="",
        complexity="",
        course="",
        kind="material",
        term="",
        author="",
        consent="",
        section="text",
        place="",
        position=position,
        flags="",
        released=False,
        indexed_at="2026-01-01T00:00:00Z",
        digest=text,
    )
    return Entry(f"{document_id}:{position}", text, row)


def vectors_of(entries: Sequence[Entry], size: int = 64) -> NDArray[float32]:
    """Return vectors of length 1 that no two texts share."""
    found = [
        np.random.default_rng(list(one.text.encode())).normal(size=size).astype(float32)
        for one in entries
    ]
    return np.array([vector / np.linalg.norm(vector) for vector in found])


class Helper:
    """Another process that is told what to do, one line of JSON at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wrap a process that answers each line with a line."""
        self._process = process

    def ask(self, *told: Any) -> Any:
        """Tell it something, and wait for its answer."""
        self.tell(*told)
        return self.answer()

    def tell(self, *told: Any) -> None:
        """Tell it something."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for what it says."""
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.wait()


@contextmanager
def helper(code: str, *arguments: str) -> Iterator[Helper]:
    """Start another process that runs some code."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield Helper(process)
        finally:
            process.kill()


@contextmanager
def chroma_server(folder: Path) -> Iterator[str]:
    """Run Chroma's own server on loopback."""
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            patience = monotonic() + 60
            while monotonic() < patience:
                with suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat")
                    break
                sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()


@contextmanager
def using(
    url: str, identity: str = "", *, token: str = "", name: str = "past_assignments"
) -> Iterator[HostedStore]:
    """Use a server, and let go of it."""
    secret = SecretStr(token) if token else None
    opened = HostedStore(url, identity, token=secret, name=name)
    try:
        yield opened
    finally:
        opened.close()
