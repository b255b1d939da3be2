"""A connection to a Chroma server: its address, its token, its time limit and its errors.

It knows Chroma's HTTP client; it knows nothing of what is stored there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx
import orjson
from chromadb import HttpClient
from chromadb.api import ClientAPI
from chromadb.api.client import Client
from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chromadb.errors import ChromaError, error_types
from pydantic import SecretStr

from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from chromadb.api.fastapi import FastAPI

_PORTS = {"http": 8000, "https": 443}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CLOUD = ".trychroma.com"
_CLOUD_MOST = 300
"""How many records Chroma Cloud takes or gives at once."""
_SECONDS = 60.0
"""How long an answer may take; Chroma's own client waits for ever."""
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_SHOWN = 300


class Connection:
    """Opens a client at the first use, and turns what goes wrong into errors of this floor."""

    def __init__(self, url: str, token: SecretStr | None = None) -> None:
        """Read an address; see `HostedStore`.

        Raises:
            RetrievalError: it cannot be used.
        """
        try:
            parts = urlsplit(url)
            usual = _PORTS[parts.scheme]
            self._port = parts.port or usual
            tenant, database, *more = [*parts.path.strip("/").split("/"), ""][:3]
        except (ValueError, KeyError):
            parts, tenant, database, more = urlsplit(""), "", "", ["bad"]
        self._host = parts.hostname or ""
        if not self._host or "@" in parts.netloc or parts.query or parts.fragment or any(more):
            raise RetrievalError(
                "The address of the Chroma server is not understood. Write it as "
                "http(s)://HOST:PORT or https://HOST:PORT/TENANT/DATABASE, without a password."
            )
        self._is_safe = parts.scheme == "https"
        self._tenant, self._database = tenant or DEFAULT_TENANT, database or DEFAULT_DATABASE
        self._token = token.get_secret_value() if token else ""
        self.shown = f"{parts.scheme}://{self._host}:{self._port}"
        if self._token and not self._is_safe and self._host not in _LOOPBACK:
            raise RetrievalError(f"A token would be sent to {self.shown!r} in clear. Use https.")
        self.most = _CLOUD_MOST if self._host.endswith(_CLOUD) else 0
        """How many records may be asked for at once; 0: as many as one likes."""
        self._lock = Lock()
        self._client: Client | None = None

    @contextmanager
    def used(self) -> Iterator[ClientAPI]:
        """Hand out the client.

        Raises:
            RetrievalError: the server cannot be reached, refuses, or is none of Chroma's.
        """
        try:
            with self._lock:
                self._client = client = self._client or self._open()
            yield client
        except httpx.HTTPError as error:
            raise RetrievalError(
                f"The Chroma server at {self.shown!r} cannot be reached ({self._said(error)}). "
                "Start it, or correct its address."
            ) from error
        except (ChromaError, ValueError) as error:
            # A ValueError is how the client says what it checks itself, or cannot read.
            raise RetrievalError(
                f"The Chroma server at {self.shown!r} cannot do that ({self._said(error)}). "
                "See its log."
            ) from error

    def close(self) -> None:
        """Let go of the client; the next use makes another."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                for session in _sessions(self._client):
                    session.close()
            self._client = None

    def _open(self) -> Client:
        headers = self._headers()
        self._probe(headers)
        made = HttpClient(
            self._host,
            self._port,
            ssl=self._is_safe,
            headers=headers,
            settings=Settings(anonymized_telemetry=False),
            tenant=self._tenant,
            database=self._database,
        )
        # The function declares an interface without close, but returns this class.
        client = cast("Client", made)
        for session in _sessions(client):
            session.timeout = httpx.Timeout(_SECONDS)
            session.event_hooks = {"response": [self._check]}
        return client

    def _headers(self) -> dict[str, str]:
        if not self._token:
            return {}
        headers = {"x-chroma-token": self._token}
        return headers if self.most else {**headers, "authorization": f"Bearer {self._token}"}

    def _probe(self, headers: dict[str, str]) -> None:
        """Ask first in a way that ends; what Chroma's client asks when it is made may never."""
        place = f"tenants/{self._tenant}/databases/{self._database}"
        with httpx.Client(base_url=f"{self.shown}/api/v2/", headers=headers) as client:
            answer = client.get("heartbeat")
            self._check(answer)
            if b'"nanosecond heartbeat"' not in answer.content:
                raise RetrievalError(
                    f"What answers at {self.shown!r} is not a Chroma server. Correct its address."
                )
            answer = client.get(place)
            self._check(answer)
            if not answer.is_success:
                raise RetrievalError(
                    f"The Chroma server at {self.shown!r} has no database {self._database!r} of a "
                    f"tenant {self._tenant!r}. Correct the end of its address."
                )

    def _check(self, answer: httpx.Response) -> None:
        """Refuse an answer that Chroma's client would not make one of its own errors of."""
        if answer.status_code in _REFUSED:
            asked = "does not accept the token" if self._token else "asks for a token"
            raise RetrievalError(
                f"The Chroma server at {self.shown!r} {asked} (HTTP {answer.status_code}). "
                "Set the one that its operator gave out."
            )
        if not answer.is_success:
            answer.read()
            with suppress(ValueError, KeyError, TypeError):
                said = orjson.loads(answer.content)
                if said["error"] in error_types and isinstance(said["message"], str):
                    return
            raise RetrievalError(
                f"What answers at {self.shown!r} says HTTP {answer.status_code} to a request for "
                f"{answer.request.url.path!r}. Correct its address, or see its log."
            )

    def _said(self, error: Exception) -> str:
        said = str(error)[:_SHOWN] or type(error).__name__
        return said.replace(self._token, "…") if self._token else said


def _sessions(client: Client) -> list[httpx.Client]:
    """Return its connections, which have no time limit and stay open when it is closed."""
    servers = (client._server, client._admin_client._server)  # type: ignore[attr-defined] # noqa: SLF001 - no other door
    return [cast("FastAPI", server)._session for server in servers]  # noqa: SLF001 - the same
