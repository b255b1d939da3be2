"""The catalogue: each kind of work and the `provider:model` that serves it.

Providers are imported when their first model is made.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.errors import InputError, ModelError
from agent.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from openai import DefaultAsyncHttpxClient

    from graphs.context import ChosenModel, ModelTask

OFFLINE = "offline:offline-1"
_OPENAI_STRONG = "openai:gpt-5.4"
_OPENAI_FAST = "openai:gpt-5.4-mini"
_STRONG_TASKS = ("planning", "codegen")
_DEFAULT_WINDOW = 16_000
"""Tokens assumed for a model whose window is not known; small enough for any current one."""
_WINDOWS: Mapping[str, int] = {
    OFFLINE: 400_000,
    _OPENAI_STRONG: 400_000,
    _OPENAI_FAST: 400_000,
    "openai:gpt-4": 8_192,
    "openai:gpt-4o": 128_000,
    "openai:gpt-4o-mini": 128_000,
    "openai:gpt-3.5-turbo": 16_385,
}
_ANSWER_SHARE = 4
"""A quarter of the window is kept for the answer, up to `_ANSWER_MOST` tokens."""
_ANSWER_MOST = 16_000


class ModelCatalogue:
    """Chooses and makes chat models."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        has_key = settings.openai_api_key is not None
        self._strong = settings.strong_model or (_OPENAI_STRONG if has_key else OFFLINE)
        self._fast = settings.fast_model or (_OPENAI_FAST if has_key else OFFLINE)
        self._made: dict[str, BaseChatModel] = {}
        self._clients: list[DefaultAsyncHttpxClient] = []

    @property
    def names(self) -> list[str]:
        """The models that may be asked for by name."""
        return list(dict.fromkeys([self._strong, self._fast, OFFLINE]))

    def choose(self, task: "ModelTask", *, asked: str = "") -> "ChosenModel":
        """Return the model for a kind of work, or the one that is asked for.

        Raises:
            InputError: the model asked for is not in the catalogue.
            ModelError: the model's provider is not installed or refuses to be set up.
        """
        from graphs.context import ChosenModel

        name = self.check(asked) or (self._strong if task in _STRONG_TASKS else self._fast)
        window = _WINDOWS.get(name, _DEFAULT_WINDOW)
        if name not in self._made:
            self._made[name] = self._make(name)
        return ChosenModel(
            name, self._made[name], window, min(window // _ANSWER_SHARE, _ANSWER_MOST)
        )

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

    async def aclose(self) -> None:
        """Close the connections of the models that were made; the next use makes new ones."""
        self._made.clear()
        while self._clients:
            await self._clients.pop().aclose()

    def _make(self, name: str) -> "BaseChatModel":
        if name == OFFLINE:
            from agent.models.offline import OfflineChatModel

            return OfflineChatModel()
        from langchain.chat_models import init_chat_model

        try:
            made: BaseChatModel = init_chat_model(name, **self._options(name))
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"The model {name!r} cannot be set up ({type(error).__name__}). Check that its "
                "provider is installed and that its key is set; see 'assist doctor'."
            ) from error
        return made

    def _options(self, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {"timeout": self._settings.model_timeout}
        if name.startswith("openai:"):
            from openai import DefaultAsyncHttpxClient

            # Our own, because LangChain's is shared by the process and belongs to one event loop.
            client = DefaultAsyncHttpxClient(timeout=self._settings.model_timeout)
            self._clients.append(client)
            options["http_async_client"] = client
            options["stream_usage"] = True
            if self._settings.openai_api_key:
                options["api_key"] = self._settings.openai_api_key
            if self._settings.openai_base_url:
                options["base_url"] = self._settings.openai_base_url
        return options
