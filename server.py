"""The door: FastAPI over the Assistant. It knows HTTP and nothing else.

The process answers `/live` at once; what is heavy is loaded beside it, and `/ready` says
honestly whether a request could be answered now.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from agent.answer import Answer
from agent.errors import AssistantError, DraftError, translate
from agent.settings import Settings, load_settings

if TYPE_CHECKING:
    from agent.assistant import AsyncAssistant

_MAX_BODY = 6_100_000
"""Bytes of a request: the longest message with every byte escaped as JSON, and the rest."""
_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""Names the server answers to: without accounts, no page of another name may reach it."""
_SHOWN = 40
"""Characters of a field's name that an error repeats."""
_CLIENT_LEFT = 499
"""What proxies log for a client that went away; nobody reads this answer."""
_REFUSALS = (404, 409, 413, 422, 502, 503)
_WRONG = "is not what is expected here; send JSON as content-type application/json, see /docs"
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_type": "has to be a string",
    "value_error": "is empty or not text",
    "json_invalid": "is not valid JSON",
    "uuid_parsing": "is not a UUID",
    "uuid_type": "is not a UUID",
    "literal_error": "has to be one of the values listed in /docs",
}
_HOME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Assignment Assistant</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
pre{background:#f4f4f4;padding:.8rem;overflow:auto}</style>
<h1>Assignment Assistant</h1>
<p>Plans, answers and code for programming assignments, grounded in past ones.
All of it is AI-generated: check it, and hand in only what you understand.</p>
<pre>curl -s localhost:8000/ask -H 'content-type: application/json' \\
  -d '{"message": "How should I test a REST API?"}'</pre>
<ul>
<li><code>POST /ask</code>: <code>message</code>, and where you want
<code>prompt_type</code> (auto, planning, chat, codegen), <code>assignment_id</code>,
<code>thread_id</code>, <code>course</code>, <code>model</code></li>
<li><a href="/docs">/docs</a>: every field; <a href="/openapi.json">/openapi.json</a></li>
<li><a href="/live">/live</a>, <a href="/ready">/ready</a>: probes</li>
</ul></html>
"""
router = APIRouter()


class Ask(BaseModel):
    """What a student asks for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    message: str = Field(min_length=1)
    prompt_type: Literal["auto", "planning", "chat", "codegen"] = "auto"
    assignment_id: UUID | None = None
    thread_id: UUID | None = None
    course: str = Field(default="", max_length=64)
    model: str = Field(default="", max_length=100)

    @field_validator("message")
    @classmethod
    def _is_text(cls, value: str) -> str:
        if not value.strip() or "\0" in value:
            message = "is empty or not text"
            raise ValueError(message)
        return value


class Problem(BaseModel):
    """What went wrong, in a sentence that says what to do."""

    code: str
    message: str
    run_id: str | None = None
    draft: str | None = None
    """With `draft_invalid`: the last draft, as the model wrote it."""


class Refusal(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


class _Opening:
    """The assistant while it is being opened, once it is open, and why it cannot be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[AsyncAssistant] = asyncio.Future()

    def start(self) -> None:
        """Begin to open, or begin again where it failed."""
        self._opened = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(self._opened))

    async def stop(self) -> None:
        """Close what is open."""
        self._closing.set()
        if self._life is not None:
            await self._life

    async def get(self) -> "AsyncAssistant":
        """Wait for the open assistant; after a failure, try once more."""
        if self._opened.done() and self._opened.exception():
            self.start()
        return await asyncio.shield(self._opened)

    @property
    def is_under_way(self) -> bool:
        """Whether it is still being opened."""
        return not self._opened.done()

    async def _live(self, opened: "asyncio.Future[AsyncAssistant]") -> None:
        try:
            module = await asyncio.to_thread(_load_assistant)
            async with module.AsyncAssistant(self._settings) as assistant:
                with suppress(Exception):  # `/ready` and the first request say what is wrong
                    await assistant.warm()
                opened.set_result(assistant)
                await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
            if not opened.done():
                opened.set_exception(error)


def _load_assistant() -> Any:
    import agent.assistant

    return agent.assistant


async def _assistant(request: Request) -> "AsyncAssistant":
    opening: _Opening = request.app.state.opening
    return await opening.get()


OpenAssistant = Annotated["AsyncAssistant", Depends(_assistant)]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the app; what it needs is opened when it starts and closed when it stops."""
    chosen = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.opening = opening = _Opening(chosen)
        opening.start()
        yield
        await opening.stop()

    app = FastAPI(
        title="Assignment Assistant",
        version=version("assignment-assistant"),
        summary="Plans, answers and code for programming assignments, grounded in past ones.",
        lifespan=lifespan,
        max_body_size=_MAX_BODY,
    )
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(AssistantError, _fail)
    app.add_exception_handler(Exception, _fail)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
    app.include_router(router)
    return app


@router.post("/ask", responses={code: {"model": Refusal} for code in _REFUSALS})
async def ask(wanted: Ask, request: Request, assistant: OpenAssistant) -> Answer:
    """Answer a request: a plan, an answer with sources, or code; recorded before it is sent."""
    work = assistant.ask(
        wanted.message,
        prompt_type=wanted.prompt_type,
        assignment_id=str(wanted.assignment_id) if wanted.assignment_id else None,
        thread_id=str(wanted.thread_id) if wanted.thread_id else None,
        course=wanted.course,
        model=wanted.model,
    )
    return await _while_connected(request, work)


@router.get("/live")
async def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "live"}


@router.get("/ready", responses={503: {}})
async def ready(request: Request) -> JSONResponse:
    """Say whether a request could be answered now, and if not, why."""
    opening: _Opening = request.app.state.opening
    if opening.is_under_way:
        return JSONResponse({"status": "starting"}, 503)
    try:
        assistant = await opening.get()
        stats = await asyncio.to_thread(assistant.knowledge.stats)
    except Exception as error:  # noqa: BLE001 - whatever keeps us from answering is the answer here
        return JSONResponse({"status": "failed", "reason": str(translate(error))}, 503)
    if not stats.documents:
        return JSONResponse({"status": "no index", "reason": "Run: assist index add PATH"}, 503)
    return JSONResponse({"status": "ready", "documents": stats.documents})


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def home(request: Request) -> str:
    """Show one screen of help."""
    return _HOME.replace("localhost:8000", request.url.netloc)


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do the work for as long as somebody waits for it; nothing is paid for nobody."""
    answering = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise HTTPException(_CLIENT_LEFT)
        return answering.result()
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    """Name the field that is wrong and never repeat what stood in it."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        names = [part for part in first["loc"] if isinstance(part, str) and part != "body"]
        place = ".".join(name[:_SHOWN] for name in names)
        place = place.encode("ascii", "replace").decode() or "body"
        return _problem(422, "invalid_input", f"{place}: {_SENTENCES.get(first['type'], _WRONG)}")
    status = error.status_code if isinstance(error, HTTPException) else 500
    phrase = HTTPStatus(status).phrase if status != _CLIENT_LEFT else "The client left"
    return _problem(status, "http", phrase)


async def _fail(_: Request, error: Exception) -> JSONResponse:
    known = translate(error)
    more = {"run_id": known.run_id} if known.run_id else {}
    if isinstance(known, DraftError):
        more["draft"] = known.draft
    return _problem(known.status, known.code, str(known), **more)


def _problem(status: int, code: str, message: str, **more: str) -> JSONResponse:
    body = {"code": code, "message": message, **more}
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": body}, status, headers=headers)
