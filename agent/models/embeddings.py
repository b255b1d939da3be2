"""Embeddings by name: those that ship with the project, or those of an OpenAI-compatible server.

Their identity names what made the vectors, so that an index is never searched with other ones.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from langchain_core.embeddings import Embeddings
from pydantic import SecretStr

from agent.errors import ModelBusyError, ModelError, ModelTimeoutError, SettingsError
from agent.prices import host_of, is_openai
from agent.settings import OPENAI_URL, Settings

if TYPE_CHECKING:
    from openai import OpenAIError

LOCAL = "local"
_OPENAI = "openai:"
_NO_KEY = "none"
"""What a server that asks for no key is sent, because the client insists on one."""
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
    close: Callable[[], None]
    """Gives the connections back; the embeddings are of no use afterwards."""


def make_embeddings(settings: Settings) -> IndexEmbeddings:
    """Return the embeddings that are configured; nothing is loaded or asked yet.

    Raises:
        SettingsError: they need a key that is not set.
    """
    if settings.embeddings == LOCAL:
        from retrieval.embeddings import LocalEmbeddings

        local = LocalEmbeddings()
        return IndexEmbeddings(local, local.identity, lambda: None)
    served = ServedEmbeddings(settings)
    return IndexEmbeddings(served, identity_of(settings), served.close)


def identity_of(settings: Settings) -> str:
    """Return the name of the vectors: elsewhere than OpenAI a name may mean another model."""
    if settings.embeddings == LOCAL:
        from retrieval.embeddings import LocalEmbeddings

        return LocalEmbeddings.identity
    base_url = settings.openai_base_url
    return settings.embeddings + ("" if is_openai(base_url) else f"@{host_of(base_url)}")


class ServedEmbeddings(Embeddings):
    """Embed text on OpenAI's or a compatible server; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        if settings.openai_api_key is None and is_openai(settings.openai_base_url):
            raise SettingsError(
                f"The embedding {settings.embeddings!r} needs OPENAI_API_KEY, or OPENAI_BASE_URL "
                "of a server that asks for no key. Without either, set ASSIST_EMBEDDINGS=local."
            )
        from langchain_openai import OpenAIEmbeddings
        from openai import DefaultHttpxClient

        self._name = settings.embeddings
        # Our own, so that its connections can be given back.
        self._client = DefaultHttpxClient()
        self._served = OpenAIEmbeddings(
            model=self._name.removeprefix(_OPENAI),
            api_key=settings.openai_api_key or SecretStr(_NO_KEY),
            # All of these are given because LangChain reads further names of the environment.
            base_url=settings.openai_base_url or OPENAI_URL,
            openai_proxy=None,
            openai_api_type=None,
            http_client=self._client,
            # The tries share the time a call may take.
            timeout=settings.model_timeout / (1 + settings.model_retries),
            max_retries=settings.model_retries,
            chunk_size=_BATCH,
            # Else tokens are sent, which other servers do not know, counted by a file that
            # tiktoken downloads.
            check_embedding_ctx_length=False,
            # The client's own choice is base64, which not every server can write.
            model_kwargs={"encoding_format": "float"},
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            ModelError: the server fails, or does not return what was asked for.
        """
        from openai import OpenAIError

        try:
            vectors = self._served.embed_documents(texts)
        except OpenAIError as error:
            raise self._explain(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # What LangChain makes of a reply that is none of an OpenAI-compatible server.
            raise self._unusable() from error
        if len(vectors) != len(texts) or not all(vectors):
            raise self._unusable()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

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
