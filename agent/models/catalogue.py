"""The catalogue: each kind of work and the `provider:model` that serves it.

Providers are imported when their first model is made.
"""

import asyncio
import re
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from agent.errors import InputError, ModelError
from agent.prices import is_near, is_openai
from agent.settings import OPENAI_URL, Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from openai import DefaultAsyncHttpxClient

    from agent.models.formats import Format, JsonFormats
    from agent.models.served import ServedModel
    from graphs.context import ModelTask

OFFLINE = "offline:offline-1"
_OPENAI = "openai:"
_PAIRS: Mapping[str, tuple[str, str]] = {
    "current": ("openai:gpt-5.4", "openai:gpt-5.4-mini"),
    "specification": ("openai:gpt-4", "openai:gpt-3.5-turbo"),
}
"""The strong and the fast model of each preset."""
_STRONG_TASKS = ("planning", "codegen")
_WINDOWS: Mapping[str, int] = {
    OFFLINE: 400_000,
    "openai:gpt-5": 400_000,
    "openai:gpt-4.1": 1_000_000,
    "openai:gpt-4o": 128_000,
    "openai:gpt-4-turbo": 128_000,
    "openai:gpt-4": 8_192,
    "openai:gpt-3.5-turbo": 16_385,
}
"""Tokens that a model reads and writes together, by the beginning of its name."""
_ONLY_TOOLS = re.compile(r"openai:(gpt-4(-\d{4}|-turbo|-\d{4}-preview)?(-|$)|gpt-3\.5-)")
"""OpenAI models from before structured outputs."""
NO_KEY = "none"
"""What a server that asks for no key is sent, because the client insists on one."""
_CONNECT_TIMEOUT = 10.0
"""Seconds for a connection; whoever is there takes it long before."""
_ANSWER_SHARE = 4
"""A quarter of the window is kept for the answer, up to `_ANSWER_MOST` tokens."""
_ANSWER_MOST = 16_000


class ModelCatalogue:
    """Chooses and makes chat models."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.before_request: Callable[[], Awaitable[None]] | None = None
        """Awaited before a request leaves for OpenAI or a compatible server, on whatever event
        loop that is; what it raises keeps the request here, and comes out of the call."""
        has_server = settings.openai_api_key is not None or bool(settings.openai_base_url)
        strong, fast = _PAIRS[settings.model_preset] if has_server else (OFFLINE, OFFLINE)
        self._strong = settings.strong_model or strong
        self._fast = settings.fast_model or fast
        self._formats: dict[str, JsonFormats] = {}
        self._made: WeakKeyDictionary[object, dict[str, ServedModel]] = WeakKeyDictionary()
        """The models of each event loop, because a connection belongs to one."""
        self._home: asyncio.AbstractEventLoop | None = None
        self._clients: list[DefaultAsyncHttpxClient] = []

    @property
    def names(self) -> list[str]:
        """The models that may be asked for by name."""
        return list(dict.fromkeys([self._strong, self._fast, OFFLINE]))

    def choose(self, task: "ModelTask", *, asked: str = "") -> "ServedModel":
        """Return the model for a kind of work, or the one that is asked for.

        Raises:
            InputError: the model asked for is not in the catalogue.
            ModelError: the model's provider is not installed or refuses to be set up.
        """
        name = self.check(asked) or (self._strong if task in _STRONG_TASKS else self._fast)
        made = self._made.setdefault(_running_loop() or self, {})
        if name not in made:
            made[name] = self._make(name)
        return made[name]

    def check(self, asked: str) -> str:
        """Return the name asked for, if it may be.

        Raises:
            InputError: it is not in the catalogue.
        """
        if asked and asked not in self.names:
            raise InputError(
                f"The model asked for is not in the catalogue. Known: {', '.join(self.names)}."
            )
        return asked

    def live_here(self) -> None:
        """Keep connections open on the running event loop, where `aclose` will be called."""
        self._home = asyncio.get_running_loop()

    async def aclose(self) -> None:
        """Close the connections of the models that were made; the next use makes new ones."""
        self._made.clear()
        while self._clients:
            await self._clients.pop().aclose()

    def _make(self, name: str) -> "ServedModel":
        from agent.models.formats import JsonFormats
        from agent.models.served import ServedModel

        window = self._window_of(name)
        return ServedModel(
            name,
            self._connect(name),
            window,
            min(window // _ANSWER_SHARE, _ANSWER_MOST),
            formats=self._formats.setdefault(name, JsonFormats(self._formats_of(name))),
            retries=self._settings.model_retries,
            deadline=self._settings.model_timeout,
            replaces_personal_data=self._replaces(name),
        )

    def _replaces(self, name: str) -> bool:
        """Say whether personal data is replaced in what goes to a model."""
        # Where other providers are, their clients know; it is elsewhere, as OpenAI is.
        address = self._settings.openai_url if name.startswith(_OPENAI) else OPENAI_URL
        return replaces_personal_data(self._settings, "" if name == OFFLINE else address)

    def _window_of(self, name: str) -> int:
        known = sorted((start for start in _WINDOWS if name.startswith(start)), key=len)
        foreign = name.startswith(_OPENAI) and not is_openai(self._settings.openai_base_url)
        return self._settings.model_window if foreign or not known else _WINDOWS[known[-1]]

    def _formats_of(self, name: str) -> "Sequence[Format]":
        if not name.startswith(_OPENAI):
            return ("native",)
        if not is_openai(self._settings.openai_base_url):
            return ("json_schema", "json_object", "tools")
        return ("tools",) if _ONLY_TOOLS.match(name) else ("json_schema", "tools")

    def _connect(self, name: str) -> "BaseChatModel":
        if name == OFFLINE:
            from agent.models.offline import OfflineChatModel

            return OfflineChatModel()
        if name.startswith(_OPENAI):
            return self._connect_openai(name.removeprefix(_OPENAI))
        from langchain.chat_models import init_chat_model

        # Each provider has a client of its own and no hook that all of them know, so nothing
        # is awaited before these requests leave.
        try:
            made: BaseChatModel = init_chat_model(
                name, timeout=self._settings.model_timeout, max_retries=0
            )
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"The model {name!r} cannot be set up ({type(error).__name__}). Check that its "
                "provider is installed and that its key is set; see 'assist doctor'."
            ) from error
        return made

    def _connect_openai(self, model: str) -> "BaseChatModel":
        from langchain_openai import ChatOpenAI
        from openai import DEFAULT_CONNECTION_LIMITS, DefaultAsyncHttpxClient, Timeout

        if self._settings.openai_api_key is None and not self._settings.openai_base_url:
            raise ModelError(
                f"The model {_OPENAI + model!r} needs OPENAI_API_KEY, or OPENAI_BASE_URL of a "
                "server that asks for no key."
            )
        # It advises another method; which one fits is found out here.
        warnings.filterwarnings("ignore", "This model does not support OpenAI's structured output")
        # Our own, because LangChain's is shared by the process and belongs to one event loop.
        # Loops come and go that nobody tells us of; there no connection outlives its request.
        is_home = self._home is not None and self._home is _running_loop()
        pooled = DEFAULT_CONNECTION_LIMITS
        timeout = Timeout(self._settings.model_timeout, connect=_CONNECT_TIMEOUT)
        client = DefaultAsyncHttpxClient(
            timeout=timeout,
            limits=pooled if is_home else type(pooled)(max_keepalive_connections=0),
            event_hooks={"request": [self._hold]},
        )
        if is_home:
            self._clients.append(client)
        return ChatOpenAI(
            model=model,
            api_key=self._settings.openai_api_key or SecretStr(NO_KEY),
            # Always given: LangChain reads further names of the environment by itself.
            base_url=self._settings.openai_url,
            http_async_client=client,
            timeout=timeout,
            max_retries=0,
            stream_usage=True,
            stream_chunk_timeout=self._settings.stream_timeout,
            use_responses_api=False,
        )

    async def _hold(self, _: object) -> None:
        """Keep a request here until it may leave."""
        if self.before_request is not None:
            await self.before_request()


def replaces_personal_data(settings: Settings, address: str) -> bool:
    """Say whether personal data is replaced in what goes to a server; none: to no server."""
    if settings.outbound_redaction != "remote":
        return settings.outbound_redaction == "always"
    return bool(address) and not is_near(address)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
