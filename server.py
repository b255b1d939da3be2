"""The door: FastAPI over the Assistant. It knows HTTP and nothing else.

The process answers `/live` at once; what is heavy is loaded beside it, and `/ready` says
honestly whether a request could be answered now.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from agent.errors import AssistantError
from agent.settings import Settings, load_settings
from routes import ask, feedback, me, probes, sources, staff
from routes.opening import Opening
from routes.problems import fail, refuse

_MAX_BODY = 6_100_000
"""Bytes of a request: the longest message with every byte escaped as JSON, and the rest."""
_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""Names the server answers to: without keys, no page of another name may reach it."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the app; what it needs is opened when it starts and closed when it stops."""
    chosen = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.opening = opening = Opening(chosen)
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
    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(AssistantError, fail)
    app.add_exception_handler(Exception, fail)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(chosen))
    for routes in (ask, sources, feedback, me, staff, probes):
        app.include_router(routes.router)
    return app


def _hosts(settings: Settings) -> list[str]:
    if settings.allowed_hosts:
        return [name.strip() for name in settings.allowed_hosts.split(",")]
    return _HOSTS if settings.auth == "local" else ["*"]
