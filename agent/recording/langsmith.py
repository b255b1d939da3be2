"""LangSmith's HTTP interface: what is sent in which form, and what its answers mean.

It keeps no queue and tries nothing twice; whoever calls decides what an answer leads to.
"""

import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx
import orjson
import zstandard

from agent.recording.frames import SentRun, as_batch, as_multipart
from agent.settings import Settings

_CONNECT = 2.0
"""Seconds for a connection."""
PATIENCE = 10.0
"""Seconds for an answer."""
_ASK_AGAIN = 60.0
"""Seconds until a server that did not say what it takes is asked again."""
_LEVEL = 1
"""Of compression; higher ones cost more than they save."""
_MOST_RUNS = 100
_MOST_BYTES = 20_971_520
_JSON = "application/json"
_CLOUD = re.compile(r"(?:(?P<region>[a-z0-9-]+)\.)?api\.smith\.langchain\.com")
"""LangSmith's own hosts."""
_LOOK = 2.0
"""Seconds that a person waits for an address."""
_ID = re.compile(r"[\w-]{1,64}")
_PAGE = 100
_BEFORE_ALL = "2020-01-01T00:00:00Z"
"""Said where everything is meant, because a server may look at the last days alone."""

Verdict = Literal["taken", "known", "refused", "later", "closed"]
"""`refused` is what was sent; `closed`, whatever is sent: a wrong key or address."""

_REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_NO_MULTIPART = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; `None` where no answer came."""

    status: int | None
    failure: str = ""
    """The kind of failure, where no answer came."""
    retry_after: float | None = None
    """Seconds that the server asks to be left alone."""

    @property
    def verdict(self) -> Verdict:
        """What the answer says of what was sent."""
        status = self.status
        if status is None or status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "later"
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return "taken"
        if status == HTTPStatus.CONFLICT:
            return "known"
        return "refused" if status in _REFUSED else "closed"

    @property
    def reason(self) -> str:
        """Say in a few words why something was not delivered, without a stranger's words."""
        if self.status is None:
            return f"no answer ({self.failure})"
        if self.status == HTTPStatus.UNAUTHORIZED:
            return "HTTP 401: the key is refused; check LANGSMITH_API_KEY"
        if self.status == HTTPStatus.FORBIDDEN:
            return (
                "HTTP 403: the key is refused; check LANGSMITH_API_KEY, and for an organization's "
                "key LANGSMITH_WORKSPACE_ID"
            )
        if self.verdict == "closed":
            return f"HTTP {self.status}: check LANGSMITH_ENDPOINT"
        return f"HTTP {self.status}"


_UNEXPECTED = Answer(None, "not as expected")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a server takes in one request."""

    is_multipart: bool = True
    is_compressed: bool = False
    most_runs: int = _MOST_RUNS
    most_bytes: int = _MOST_BYTES

    @classmethod
    def read(cls, info: Any) -> "Terms":
        """Read what `/info` says; what it does not say is as it usually is."""
        told = info if isinstance(info, Mapping) else {}
        batch = told.get("batch_ingest_config") or {}
        flags = told.get("instance_flags") or {}
        return cls(
            is_multipart=bool(batch.get("use_multipart_endpoint", True)),
            is_compressed=bool(flags.get("zstd_compression_enabled")),
            most_runs=int(batch.get("size_limit") or _MOST_RUNS),
            most_bytes=int(batch.get("size_limit_bytes") or _MOST_BYTES),
        )


class LangSmith:
    """A connection to one LangSmith; it belongs to one thread."""

    def __init__(
        self, endpoint: str, api_key: str, *, project: str = "", workspace: str = ""
    ) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            endpoint: The address of LangSmith's interface.
            api_key: Whose traces they are.
            project: The one that traces go to.
            workspace: The id of the workspace, for a key that is good for several.

        """
        self.terms = Terms()
        self._project = project
        self._asked_at: float | None = None
        self._boundary = secrets.token_hex(16)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._endpoint = endpoint.rstrip("/")
        self._site = site_of(endpoint)
        self._place: str | None = None
        self._http = httpx.Client(
            headers={
                "x-api-key": api_key,
                "User-Agent": "assignment-assistant",
                **({"X-Tenant-Id": workspace} if workspace else {}),
            },
            timeout=httpx.Timeout(PATIENCE, connect=_CONNECT),
        )

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Make a connection from the settings; nothing is sent yet."""
        key = settings.langsmith_api_key
        return cls(
            settings.langsmith_endpoint,
            key.get_secret_value() if key else "",
            project=settings.langsmith_project,
            workspace=str(settings.langsmith_workspace_id or ""),
        )

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def learn(self, patience: float = PATIENCE) -> Answer | None:
        """Ask once for the server's `terms`; return why nothing can be sent, if so."""
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at < _ASK_AGAIN:
            return None
        answer, info = self._read("/info", patience)
        if answer.verdict == "later":
            return answer
        self._asked_at = float("inf") if answer.verdict == "taken" else now
        self.terms = Terms.read(info)
        return None

    def send(self, runs: Sequence[SentRun], *, patience: float = PATIENCE) -> Answer:
        """Send runs in one request, in the form that the server takes.

        Args:
            runs: At most as many as `terms` says.
            patience: Seconds for each step of the request.

        """
        if failure := self.learn(patience):
            return failure
        if self.terms.is_multipart:
            answer = self._send_multipart(runs, patience)
            if answer.status not in _NO_MULTIPART:
                return answer
        answer = self._send("POST", "/runs/batch", as_batch(runs), patience)
        if answer.status not in _NO_MULTIPART:
            self.terms = replace(self.terms, is_multipart=False)
        return answer

    def give_feedback(self, feedback: Mapping[str, Any], *, patience: float = PATIENCE) -> Answer:
        """Send one person's feedback; what is there already is replaced."""
        answer = self._send("POST", "/feedback", orjson.dumps(feedback), patience)
        if answer.verdict != "known":
            return answer
        changed = {name: feedback[name] for name in ("score", "value", "comment")}
        return self._send("PATCH", f"/feedback/{feedback['id']}", orjson.dumps(changed), patience)

    def read_run(self, run_id: str) -> tuple[Answer, dict[str, Any]]:
        """Return a run as LangSmith has it; nothing where it has none."""
        return self._read(f"/runs/{run_id}")

    def trace_url(self, run: Mapping[str, Any], *, patience: float = PATIENCE) -> str | None:
        """Return where a run can be looked at; nothing for a server that is not LangSmith's cloud.

        The address is made as LangSmith's own client makes it, of the ids of the workspace and
        of the project, which are asked for once.

        Args:
            run: Its `run_id`, and its `project` if it has one of its own.
            patience: Seconds for each step of the request.

        """
        if self._site is None or run.get("project") not in (None, self._project):
            return None
        if self._place is None:
            wanted = {"name": self._project, "limit": 1}
            _, found = self._read("/sessions", patience, params=wanted)
            self._place = _place_of(found)
        return f"{self._site}/{self._place}/r/{run['run_id']}?poll=true" if self._place else None

    def _send_multipart(self, runs: Sequence[SentRun], patience: float) -> Answer:
        body = as_multipart(runs, self._boundary)
        headers = {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}
        if self.terms.is_compressed:
            size, body = len(body), self._compressor.compress(body)
            headers |= {
                "Content-Encoding": "zstd",
                "X-Pre-Compressed-Size": str(size),
                "X-Post-Compressed-Size": str(len(body)),
            }
        return self._send("POST", "/runs/multipart", body, patience, headers)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes,
        patience: float,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return self._ask(
            method, path, patience, content=body, headers=headers or {"Content-Type": _JSON}
        )[0]

    def _read(
        self, path: str, patience: float = PATIENCE, *, method: str = "GET", **options: Any
    ) -> tuple[Answer, Any]:
        answer, body = self._ask(method, path, patience, **options)
        try:
            return answer, orjson.loads(body) if answer.verdict == "taken" else {}
        except orjson.JSONDecodeError:
            return Answer(None, "not JSON"), {}

    def _ask(self, method: str, path: str, patience: float, **options: Any) -> tuple[Answer, bytes]:
        timeout = httpx.Timeout(patience, connect=min(_CONNECT, patience))
        try:
            reply = self._http.request(method, self._endpoint + path, timeout=timeout, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(None, type(error).__name__), b""
        return Answer(reply.status_code, retry_after=_wait_of(reply)), reply.content

    def delete_person(self, user_id: str, *, patience: float = PATIENCE) -> Answer:
        """Ask for every trace of a person to be deleted, which LangSmith does when it has time.

        One pair alone, because LangSmith deletes what matches any of several.
        """
        body = orjson.dumps({"metadata": {"user_id": user_id}})
        return self._send("POST", "/runs/delete", body, patience)

    def count_of(self, user_id: str, *, patience: float = PATIENCE) -> tuple[Answer, int]:
        """Return how many runs of a person LangSmith has, in whichever project."""
        projects: list[str] = []
        while True:
            page = {"limit": _PAGE, "offset": len(projects)}
            answer, found = self._read("/sessions", patience, params=page)
            if answer.verdict != "taken":
                return answer, 0
            ids = _ids_of(found)
            if ids is None:
                return _UNEXPECTED, 0
            projects += ids
            if len(ids) < _PAGE:
                break
        query: dict[str, Any] = {
            "session": projects,
            "filter": f'and(eq(metadata_key, "user_id"), eq(metadata_value, {_quoted(user_id)}))',
            "start_time": _BEFORE_ALL,
            "select": ["id"],
            "limit": _PAGE,
        }
        count, is_last = 0, not projects
        while not is_last:
            answer, found = self._read(
                "/runs/query", patience, method="POST", content=orjson.dumps(query),
                headers={"Content-Type": _JSON},
            )  # fmt: skip
            if answer.verdict != "taken":
                break
            page_of = found if isinstance(found, Mapping) else {}
            ids, cursors = _ids_of(page_of.get("runs")), page_of.get("cursors") or {}
            if ids is None or not isinstance(cursors, Mapping):
                return _UNEXPECTED, count
            count += len(ids)
            query["cursor"] = cursors.get("next")
            is_last = not query["cursor"]
        return answer, count


def site_of(endpoint: str) -> str | None:
    """Return where traces of LangSmith's cloud are looked at; nothing for any other server."""
    try:
        host = _CLOUD.fullmatch(urlsplit(endpoint).hostname or "")
    except ValueError:
        return None
    if host is None:
        return None
    region = host["region"]
    return f"https://{region}.smith.langchain.com" if region else "https://smith.langchain.com"


def find_trace_url(
    settings: Settings, run: Mapping[str, Any], *, patience: float = _LOOK
) -> str | None:
    """Return where a run can be looked at, if LangSmith says so in time; it never raises.

    Args:
        settings: Where LangSmith is, and the key.
        run: Its `run_id`, and its `project` if it has one of its own.
        patience: Seconds for all of it.

    """
    if site_of(settings.langsmith_endpoint) is None:
        return None
    found: list[str | None] = []

    def look() -> None:
        # Whatever goes wrong, there is no address to show, and nobody has asked for one.
        with suppress(Exception), closing(LangSmith.open(settings)) as langsmith:
            found.append(langsmith.trace_url(run, patience=patience))

    # A thread, because neither looking up a name nor an answer that comes in drops has an end.
    thread = threading.Thread(target=look, name="trace url", daemon=True)
    thread.start()
    thread.join(patience)
    return found[0] if found else None


def _ids_of(found: Any) -> list[str] | None:
    """Return the ids of a list of things; nothing where it is something else."""
    if not isinstance(found, list):
        return None
    ids = [one["id"] for one in found if isinstance(one, Mapping) and one.get("id")]
    return [str(one) for one in ids] if len(ids) == len(found) else None


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _wait_of(reply: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, which may be a date."""
    told = reply.headers.get("retry-after", "")
    try:
        return float(told)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def _place_of(projects: Any) -> str | None:
    """Return the path of a project."""
    if not isinstance(projects, list) or not projects:
        return None
    ids = [str(projects[0].get(name) or "") for name in ("tenant_id", "id")]
    workspace, project = ids
    return f"o/{workspace}/projects/p/{project}" if all(map(_ID.fullmatch, ids)) else None
