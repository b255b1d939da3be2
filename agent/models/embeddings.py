"""Embeddings by name: those that ship with the project, or those of an OpenAI-compatible server.

Their identity names what made the vectors, so that an index is never searched with other ones.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from langchain_core.callbacks import (
    BaseCallbackHandler,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables.config import ensure_config

from agent.errors import ModelBusyError, ModelError, ModelTimeoutError, SettingsError
from agent.models.catalogue import NO_KEY
from agent.prices import host_of, is_openai
from agent.settings import Settings
from retrieval.search import profiles
from retrieval.search.profiles import Profile

if TYPE_CHECKING:
    from openai import OpenAIError
    from openai.types import CreateEmbeddingResponse

LOCAL = "local"
MINILM = "minilm"
_OPENAI = "openai:"
_BATCH = 64
"""Texts in one request: chunks have at most 4,000 characters, a request 300,000 tokens."""
_NO_MONEY = "insufficient_quota"
_DOCTOR = "Run 'assist doctor' to see what is configured."
_KEY = f"Check OPENAI_API_KEY. {_DOCTOR}"
_LATER = f"Try again. {_DOCTOR}"
_OTHER = f"Change ASSIST_EMBEDDINGS or OPENAI_BASE_URL, then run: assist index rebuild. {_DOCTOR}"


class IndexEmbeddings(NamedTuple):
    """What the index is built and searched with."""

    embeddings: Embeddings
    identity: str
    profile: Profile
    close: Callable[[], None]
    """Gives the connections back; the embeddings are of no use afterwards."""


def make_embeddings(
    settings: Settings,
    *,
    callbacks: Sequence[BaseCallbackHandler] = (),
    before_request: Callable[[], None] | None = None,
) -> IndexEmbeddings:
    """Return the embeddings that are configured; nothing is loaded or asked yet.

    Args:
        settings: Which embeddings, and where their server is.
        callbacks: Hear of each request to a server, also where it is part of no run.
        before_request: Waits until a request may leave; what it raises keeps the request here.

    Raises:
        SettingsError: they need a key that is not set.
    """
    if settings.embeddings == LOCAL:
        from retrieval.embedding.local import LocalEmbeddings

        local = LocalEmbeddings()
        return IndexEmbeddings(local, local.identity, profiles.LOCAL, lambda: None)
    if settings.embeddings == MINILM:
        from retrieval.embedding.minilm import MiniLMEmbeddings

        minilm = MiniLMEmbeddings(settings.minilm_path)
        return IndexEmbeddings(minilm, minilm.identity, profiles.MINILM, lambda: None)
    served = ServedEmbeddings(settings, callbacks=callbacks, before_request=before_request)
    return IndexEmbeddings(served, identity_of(settings), profiles.SERVED, served.close)


def is_served(settings: Settings) -> bool:
    """Return whether the embeddings are asked of a server, which is recorded and may cost."""
    return settings.embeddings.startswith(_OPENAI)


def identity_of(settings: Settings) -> str:
    """Return the name of the vectors: elsewhere than OpenAI a name may mean another model."""
    if settings.embeddings == LOCAL:
        from retrieval.embedding.local import LocalEmbeddings

        return LocalEmbeddings.identity
    if settings.embeddings == MINILM:
        from retrieval.embedding.minilm import MiniLMEmbeddings

        return MiniLMEmbeddings.identity
    base_url = settings.openai_base_url
    return settings.embeddings + ("" if is_openai(base_url) else f"@{host_of(base_url)}")


class ServedEmbeddings(Embeddings):
    """Embed text on OpenAI's or a compatible server; safe to share between threads.

    LangChain has no callbacks for embeddings. Each request is announced here as a model call,
    below the run that is current or as a root of its own, so that it is recorded and priced.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        callbacks: Sequence[BaseCallbackHandler] = (),
        before_request: Callable[[], None] | None = None,
    ) -> None:
        if settings.openai_api_key is None and is_openai(settings.openai_base_url):
            raise SettingsError(
                f"The embedding {settings.embeddings!r} needs OPENAI_API_KEY, or OPENAI_BASE_URL "
                "of a server that asks for no key. Without either, set ASSIST_EMBEDDINGS=local."
            )
        from openai import OpenAI

        self._name = settings.embeddings
        self._model = self._name.removeprefix(_OPENAI)
        self._callbacks = list(callbacks)
        self._before_request = before_request
        key = settings.openai_api_key
        self._client = OpenAI(
            api_key=key.get_secret_value() if key else NO_KEY,
            base_url=settings.openai_url,
            # The tries share the time a call may take.
            timeout=settings.model_timeout / (1 + settings.model_retries),
            max_retries=settings.model_retries,
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            ModelError: the server fails, or does not return what was asked for.
        """
        parts = (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))
        return [
            vector for part in parts for vector in self._embed(part, shown=f"{len(part)} texts")
        ]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self._embed([text], shown=text)[0]

    def _embed(self, texts: Sequence[str], *, shown: str) -> list[list[float]]:
        """Return the vectors of one request; callbacks are shown some words in its place."""
        from openai import OpenAIError

        run = self._start(shown)
        try:
            if self._before_request is not None:
                self._before_request()
            vectors, result = self._request(texts)
        except OpenAIError as error:
            run.on_llm_error(error)
            raise self._explain(error) from error
        except BaseException as error:
            run.on_llm_error(error)
            raise
        run.on_llm_end(result)
        return vectors

    def _start(self, shown: str) -> CallbackManagerForLLMRun:
        """Announce a request below the run that is current in this thread, if there is one."""
        from langgraph.constants import TAG_NOSTREAM
        from langsmith.run_helpers import tracing_context

        config = ensure_config()
        # Whoever is to hear of it is named; LangChain's ambient tracer, which knows no consent,
        # would be added to them.
        with tracing_context(enabled=False):
            manager = CallbackManager.configure(
                config.get("callbacks"),
                self._callbacks,
                inheritable_tags=config.get("tags"),
                local_tags=[TAG_NOSTREAM],
                inheritable_metadata=config.get("metadata"),
                local_metadata={
                    "ls_model_type": "embedding",
                    "ls_provider": _OPENAI.removesuffix(":"),
                    "ls_model_name": self._model,
                    "model_asked": self._name,
                },
            )
        (run,) = manager.on_llm_start({}, [shown], name="embed")
        return run

    def _request(self, texts: Sequence[str]) -> tuple[list[list[float]], LLMResult]:
        """Return the vectors, and what a callback is told of the reply."""
        try:
            reply = self._client.embeddings.create(
                model=self._model,
                input=list(texts),
                # The client's own choice is base64, which not every server can write.
                encoding_format="float",
            )
            vectors = [item.embedding for item in reply.data]
        except (AttributeError, TypeError, ValueError) as error:
            # What the client makes of a reply that is none of an OpenAI-compatible server.
            raise self._unusable() from error
        if len(vectors) != len(texts) or not all(vectors):
            raise self._unusable()
        return vectors, _told(reply, self._model)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _unusable(self) -> ModelError:
        return ModelError(
            f"The embedding {self._name} was answered with something else than its vectors. "
            f"Check that OPENAI_BASE_URL is the address of an embeddings API. {_DOCTOR}"
        )

    def _explain(self, error: "OpenAIError") -> ModelError:
        kind, words = _ours(error)
        return kind(f"The embedding {self._name} {words}")


def _told(reply: "CreateEmbeddingResponse", asked: str) -> LLMResult:
    """Return the usage as a chat model states it; not every server names it, or its model."""
    tokens = getattr(getattr(reply, "usage", None), "prompt_tokens", None)
    usage = (
        UsageMetadata(input_tokens=tokens, output_tokens=0, total_tokens=tokens)
        if isinstance(tokens, int)
        else None
    )
    served = getattr(reply, "model", None) or asked
    message = AIMessage(
        "",
        usage_metadata=usage,
        response_metadata={"model_name": served, "finish_reason": "stop"},
    )
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def _ours(error: "OpenAIError") -> tuple[type[ModelError], str]:
    """Return what failed and what to do, without the server's words, which may quote a text."""
    import openai

    kinds: Sequence[tuple[type[OpenAIError], type[ModelError], str]] = (
        (openai.AuthenticationError, ModelError, f"refused the key (401). {_KEY}"),
        (openai.PermissionDeniedError, ModelError, f"refused access (403). {_KEY}"),
        (openai.NotFoundError, ModelError, f"is not known to its server (404). {_OTHER}"),
        (openai.BadRequestError, ModelError, f"refused the texts as invalid (400). {_OTHER}"),
        (openai.RateLimitError, ModelBusyError, f"takes no more requests now (429). {_LATER}"),
        (openai.APITimeoutError, ModelTimeoutError, f"did not answer in time. {_LATER}"),
        (openai.APIConnectionError, ModelError, f"could not be reached. {_LATER}"),
        (openai.InternalServerError, ModelError, f"failed on its server's side. {_LATER}"),
    )
    if getattr(error, "code", None) == _NO_MONEY:
        return ModelError, "has no quota left. Check the account's billing."
    for kind, ours, words in kinds:
        if isinstance(error, kind):
            return ours, words
    return ModelError, f"failed ({type(error).__name__}). {_LATER}"
