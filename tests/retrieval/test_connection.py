"""A Chroma server's address and token, and what can be wrong with a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from retrieval import RetrievalError
from retrieval.storing.hosted import HostedStore
from retrieval.storing.rows import put, snapshot
from tests.retrieval.keeping import chroma_server, entry, using, vectors_of
from tests.servers.running import free_port

IDENTITY = "test:64"
TOKEN = "sesame-0123456789"  # noqa: S105 - it opens nothing but the proxy below
ENTRIES = [entry(f"d{n:03}", f"text {n}") for n in range(40)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Chroma's own server on loopback."""
    with chroma_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def name() -> str:
    """Return a name that no other test uses."""
    return f"test-{uuid4().hex[:8]}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://host:8000",
        "http://:8000",
        "http://host:port",
        "http://user:sesame@host:8000",
        "http://host:8000/a/b/c",
        "http://host:8000/?token=sesame",
    ],
)
def test_address_that_is_none(url: str) -> None:
    """How to write one is said, and a password in it is not repeated."""
    with pytest.raises(RetrievalError, match=r"http\(s\)://HOST:PORT") as caught:
        HostedStore(url)
    assert "sesame" not in str(caught.value)


def test_token_is_not_sent_in_clear() -> None:
    """Over http a token goes to this machine alone."""
    with pytest.raises(RetrievalError, match="would be sent to 'http://host:8000' in clear"):
        HostedStore("http://host:8000", token=SecretStr(TOKEN))
    HostedStore("https://host:8000", token=SecretStr(TOKEN))
    HostedStore("http://localhost:8000", token=SecretStr(TOKEN))


def test_cloud_is_asked_for_little_at_once() -> None:
    """Chroma Cloud takes 300 records a request."""
    store = HostedStore("https://api.trychroma.com:443/tenant/database", token=SecretStr(TOKEN))
    assert (store.page_size, store.batch_size) == (300, 300)


def test_server_that_is_not_there() -> None:
    """Its address is named."""
    port = free_port()
    store = HostedStore(f"http://127.0.0.1:{port}")
    for use in (store.stamp, store.identity, lambda: store.writing().__enter__()):
        with pytest.raises(RetrievalError, match=rf"127.0.0.1:{port}' cannot be reached \(.*refu"):
            use()


def test_server_that_goes_away(server: str, name: str) -> None:
    """A connection that was open is no reason to hang, and the next use tries again."""
    with running(server) as (proxy, url), using(url, IDENTITY, name=name) as store:
        store.identity()
        proxy.status = 503
        with pytest.raises(RetrievalError, match="says HTTP 503 to a request for '/api/v2/"):
            store.stamp()
        proxy.status = 0
        assert store.identity() == IDENTITY


def test_tenant_that_is_not_there(server: str) -> None:
    """What the address names is repeated."""
    message = "no database 'nothing' of a tenant 'nobody'"
    with using(f"{server}/nobody/nothing") as store, pytest.raises(RetrievalError, match=message):
        store.stamp()


class Proxy(ThreadingHTTPServer):
    """Stands before a Chroma server and asks for a token."""

    daemon_threads = True
    token: str
    status = 0
    target = ""


class Handler(BaseHTTPRequestHandler):
    """Passes on what carries the token."""

    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer any method."""
        asked = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, body = self.server.status, b"<html>a page</html>"
        if self.server.token not in self.headers.get("x-chroma-token", ""):
            status, body = 401, f"not {self.headers.get('x-chroma-token')}".encode()
        elif not status:
            found = httpx.request(self.command, self.server.target + self.path, content=asked)
            status, body = found.status_code, found.content
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library names them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def running(target: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy."""
    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        proxy.target, proxy.token = target, ""
        thread = Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        yield proxy, f"http://127.0.0.1:{proxy.server_port}"
        proxy.shutdown()


def test_token_is_sent_with_every_request(server: str, name: str) -> None:
    """With it the index is there; without it, or with a wrong one, it is said what is amiss."""
    with running(server) as (proxy, url):
        proxy.token = TOKEN
        with using(url, IDENTITY, token=TOKEN, name=name) as store:
            put(store, ENTRIES, vectors_of(ENTRIES))
            assert len(snapshot(store).entries) == 40
            proxy.token = "another"  # noqa: S105 - the same
            with pytest.raises(
                RetrievalError, match=r"does not accept the token \(HTTP 401\)"
            ) as a:
                store.stamp()
        with using(url, token=TOKEN) as late, pytest.raises(RetrievalError, match="accept") as b:
            late.stamp()
        with using(url) as without, pytest.raises(RetrievalError, match="asks for a token"):
            without.stamp()
    assert TOKEN not in str(a.value) + str(b.value)


def test_server_that_is_none_of_chroma(server: str) -> None:
    """A page that answers to everything is found out."""
    with running(server) as (proxy, url):
        proxy.status = 200
        with using(url) as store, pytest.raises(RetrievalError, match="is not a Chroma server"):
            store.stamp()
