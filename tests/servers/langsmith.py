"""A LangSmith-compatible server that keeps what it is sent, and fails when told to.

By hand: `python -m tests.servers.langsmith --port 9001`, then do as it prints.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message as MimePart
from email.parser import BytesParser
from typing import Annotated, Any

import typer
import uvicorn
import zstandard
from fastapi import FastAPI, HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MODES = {"up": None, "down": 503, "busy": 429, "broken": 500, "locked": 401, "strict": 422}
"""What the modes of the command line are as a `LangSmithServer.status`."""

_OLDEST = timedelta(hours=24)
"""LangSmith is reported to refuse a request that holds a run further than this from now."""


_FILTER = re.compile(
    r"and\(eq\(metadata_key, (?P<name>.+)\), eq\(metadata_value, (?P<value>.+)\)\)"
)


class LangSmithServer:
    """Takes runs in every form the client may send them in."""

    def __init__(
        self,
        *,
        zstd: bool = True,
        multipart: bool = True,
        most_bytes: int = 20_971_520,
        on_end: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.status: int | None = None
        """What every request is refused with: 503 is down, 429 busy, 401 and 422 refusals."""
        self.delay = 0.0
        """Seconds before an answer."""
        self.resets = 0
        """How many of the next requests are kept, and cut off before they are answered."""
        self.retry_after: str | None = None
        """What is said with a refusal."""
        self.conflicts = False
        """Whether a request is refused with 409 that repeats what was done already."""
        self.done: list[str] = []
        """What was kept, as `post.<id>`, `patch.<id>` or `feedback.<id>`; twice what came twice."""
        self.projects: Any = [{"id": "p-1", "tenant_id": "t-1"}]
        """What is answered to whoever asks for a project."""
        self.requests = 0
        """How many requests came that carry something, refused ones too."""
        self.encodings: list[str] = []
        """The `Content-Encoding` of each."""
        self.bodies: list[bytes] = []
        """The body of each, decompressed, so that a text can be looked for."""
        self.keys: set[str] = set()
        """The API keys that were shown."""
        self.workspaces: set[str] = set()
        """The workspaces that requests named; empty for one that named none."""
        self.runs: dict[str, dict[str, Any]] = {}
        """Every run by its id, what was posted and patched in one."""
        self.feedback: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        """What was asked to be deleted."""
        self.is_deleting = True
        """Whether that goes at once; LangSmith takes days."""
        self._posted: dict[str, dict[str, Any]] = {}
        self._patched: dict[str, dict[str, Any]] = {}
        self._on_end = on_end
        self._info = {
            "version": "0.15.0",
            "batch_ingest_config": {
                "use_multipart_endpoint": multipart,
                "size_limit": 100,
                "size_limit_bytes": most_bytes,
                "scale_up_qsize_trigger": 1_000,
                "scale_up_nthreads_limit": 16,
                "scale_down_nempty_trigger": 4,
            },
            "instance_flags": {"zstd_compression_enabled": zstd},
        }
        self.app = FastAPI()
        self.app.add_middleware(_Cutting, server=self)
        self.app.get("/info")(self._tell)
        self.app.post("/runs/delete", status_code=202)(self._delete)
        self.app.post("/runs/query")(self._find)
        self.app.post("/runs/multipart", status_code=202)(self._take_multipart)
        self.app.post("/runs/batch", status_code=202)(self._take_batch)
        self.app.post("/runs", status_code=202)(self._take_run)
        self.app.patch("/runs/{run_id}")(self._change_run)
        self.app.get("/runs/{run_id}")(self._show_run)
        self.app.post("/feedback")(self._take_feedback)
        self.app.patch("/feedback/{feedback_id}")(self._change_feedback)
        self.app.get("/sessions")(self._show_projects)

    async def _tell(self) -> dict[str, Any]:
        await self._answer_as_told()
        return self._info

    async def _take_multipart(self, request: Request) -> dict[str, str]:
        parts = read_parts(await self._receive(request), request.headers["content-type"])
        posts: dict[str, dict[str, Any]] = {}
        patches: dict[str, dict[str, Any]] = {}
        for name, value in parts.items():
            kind, run_id, *field = name.split(".")
            if kind == "feedback":
                self._note({f"feedback.{run_id}"})
                self.feedback.append(value)
            elif kind in ("post", "patch"):
                run = (posts if kind == "post" else patches).setdefault(run_id, {})
                run.update({field[0]: value} if field else value)
        return self._keep(posts, patches)

    async def _take_batch(self, request: Request) -> dict[str, str]:
        batch = json.loads(await self._receive(request))
        posts, patches = batch.get("post") or [], batch.get("patch") or []
        return self._keep({run["id"]: run for run in posts}, {run["id"]: run for run in patches})

    async def _take_run(self, request: Request) -> dict[str, str]:
        run = json.loads(await self._receive(request))
        return self._keep({run["id"]: run}, {})

    async def _change_run(self, request: Request, run_id: str) -> dict[str, str]:
        return self._keep({}, {run_id: json.loads(await self._receive(request))})

    async def _show_run(self, run_id: str) -> dict[str, Any]:
        await self._answer_as_told()
        if run_id not in self.runs:
            raise HTTPException(404, "Run not found")
        return self.runs[run_id]

    async def _take_feedback(self, request: Request) -> dict[str, str]:
        given = json.loads(await self._receive(request))
        self._note({f"feedback.{given['id']}"})
        self.feedback = [said for said in self.feedback if said.get("id") != given["id"]]
        self.feedback.append(given)
        return {}

    async def _change_feedback(self, request: Request, feedback_id: str) -> dict[str, str]:
        changes = json.loads(await self._receive(request))
        for said in self.feedback:
            if said.get("id") == feedback_id:
                said.update(changes)
        return {}

    async def _show_projects(self, request: Request) -> Any:
        self.workspaces.add(request.headers.get("x-tenant-id", ""))
        await self._answer_as_told()
        return self.projects

    async def _delete(self, request: Request) -> dict[str, str]:
        wanted = json.loads(await self._receive(request))
        self.deletions.append(wanted)
        (pair,) = wanted["metadata"].items()
        self.delete(*pair)
        return {}

    def delete(self, name: str, value: str) -> None:
        """Delete what has a value in its metadata, unless the server takes its time."""
        if self.is_deleting:
            for run_id in [run["id"] for run in self.runs.values() if _told(run, name) == value]:
                for known in (self.runs, self._posted, self._patched):
                    known.pop(run_id, None)

    async def _find(self, request: Request) -> dict[str, Any]:
        query = json.loads(await self._receive(request))
        pair = _FILTER.fullmatch(query["filter"])
        if pair is None or not query["session"]:
            raise HTTPException(422, "this server knows one filter")
        name, value = json.loads(pair["name"]), json.loads(pair["value"])
        found = [{"id": run["id"]} for run in self.runs.values() if _told(run, name) == value]
        first = int(query.get("cursor") or 0)
        last = first + query["limit"]
        return {
            "runs": found[first:last],
            "cursors": {"next": str(last) if last < len(found) else None},
        }

    def _note(self, operations: set[str]) -> None:
        if self.conflicts and operations & set(self.done):
            raise HTTPException(409, "Conflict: payloads already received")
        self.done += sorted(operations)

    async def _receive(self, request: Request) -> bytes:
        body = await request.body()
        encoding = request.headers.get("content-encoding", "")
        if encoding == "zstd":
            with zstandard.ZstdDecompressor().stream_reader(body) as reader:
                body = reader.read()
        self.requests += 1
        self.encodings.append(encoding)
        self.bodies.append(body)
        self.keys.add(request.headers.get("x-api-key", ""))
        self.workspaces.add(request.headers.get("x-tenant-id", ""))
        await self._answer_as_told()
        return body

    async def _answer_as_told(self) -> None:
        await asyncio.sleep(self.delay)
        if self.status is not None:
            headers = {"Retry-After": self.retry_after} if self.retry_after else None
            raise HTTPException(self.status, "told to refuse", headers)

    def _keep(
        self, posts: Mapping[str, dict[str, Any]], patches: Mapping[str, dict[str, Any]]
    ) -> dict[str, str]:
        for run in (*posts.values(), *patches.values()):
            if not _is_near(run.get("start_time")):
                raise HTTPException(422, f"start_time of run {run.get('id')} is not within 24 h")
        self._note({*(f"post.{run_id}" for run_id in posts), *(f"patch.{i}" for i in patches)})
        for known, new in ((self._posted, posts), (self._patched, patches)):
            for run_id, run in new.items():
                present = {name: value for name, value in run.items() if value is not None}
                known.setdefault(run_id, {"id": run_id}).update(present)
        for run_id in {**posts, **patches}:
            had_ended = "end_time" in self.runs.get(run_id, {})
            # A patch may overtake its post, and is the newer of the two all the same.
            self.runs[run_id] = {**self._posted.get(run_id, {}), **self._patched.get(run_id, {})}
            if self._on_end and not had_ended and "end_time" in self.runs[run_id]:
                self._on_end(self.runs[run_id])
        return {}


class _Cutting:
    """Cuts off the answers to what was kept, where the server was told to."""

    def __init__(self, app: ASGIApp, server: LangSmithServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_to_be_cut(scope):
                # uvicorn's own object, which alone knows the connection.
                receive.__self__.transport.abort()  # type: ignore[attr-defined]
            await send(message)

        await self._app(scope, receive, answer)

    def _is_to_be_cut(self, scope: Scope) -> bool:
        if scope.get("method") not in ("POST", "PATCH") or self._server.resets <= 0:
            return False
        self._server.resets -= 1
        return True


def _told(run: Mapping[str, Any], name: str) -> Any:
    return ((run.get("extra") or {}).get("metadata") or {}).get(name)


def usage_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens and costs where LangSmith looks for them."""
    found = (run.get("extra") or {}).get("metadata", {}).get("usage_metadata")
    return found or (run.get("outputs") or {}).get("usage_metadata") or {}


def read_parts(body: bytes, content_type: str) -> dict[str, Any]:
    """Take a multipart body apart, by the names of its parts."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    # The older policy: the newer one parses each header by its grammar, ten times as slowly.
    message = BytesParser().parsebytes(head + body)
    return {
        str(part.get_param("name", header="content-disposition")): json.loads(_content(part))
        for part in message.walk()
        if part.get_content_type() == "application/json"
    }


def _content(part: MimePart) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def _is_near(start_time: str | None) -> bool:
    if start_time is None:
        return True
    started = datetime.fromisoformat(start_time)
    return abs(datetime.now(UTC) - started.astimezone(UTC)) < _OLDEST


def _show(run: Mapping[str, Any]) -> None:
    usage = usage_of(run)
    cost = usage.get("total_cost")
    typer.echo(
        f"{run.get('name')} ({run.get('run_type')}): {usage.get('total_tokens', '-')} tokens, "
        f"{'no cost' if cost is None else f'${cost:.6f}'}"
        f"{', ' + run['error'].splitlines()[0] if run.get('error') else ''}"
    )


def main(
    *,
    port: int = 9001,
    mode: Annotated[str, typer.Option(help=f"One of {', '.join(MODES)}, slow.")] = "up",
) -> None:
    """Serve on 127.0.0.1 and print a line for every run that ends."""
    server = LangSmithServer(on_end=_show)
    server.delay = 5.0 if mode == "slow" else 0.0
    server.status = MODES["up" if mode == "slow" else mode]
    typer.echo(
        "export LANGSMITH_TRACING=true "
        f"LANGSMITH_ENDPOINT=http://127.0.0.1:{port} LANGSMITH_API_KEY=any"
    )
    uvicorn.run(server.app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    typer.run(main)
