"""A chat model that is asked until it answers: the one layer of retries.

Every try is a run of its own, so that each is recorded and paid for as it was. What a provider's
client raises is turned into our errors here, without its words, which may quote a prompt.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core import exceptions as provider
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_before_delay,
    wait_exponential_jitter,
)

from agent.errors import (
    AssistantError,
    ModelBusyError,
    ModelDeclinedError,
    ModelError,
    ModelIncompleteError,
    ModelTimeoutError,
    TooLargeError,
)
from agent.models.formats import JsonFormats, bind_schema, read_json, read_words, say_schema
from agent.privacy.redaction import Redactor
from agent.privacy.redactors import outbound_redactor
from graphs.calls import finish_reason
from graphs.context import Reply

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

_BACKOFF = wait_exponential_jitter(multiplier=0.5, max=8)
_REFUSALS = (400, 404, 415, 422)
"""What servers answer to a format that they do not know; others fail with 500, every time."""
_DECLINED = ("content_filter", "refusal", "SAFETY")
"""Reasons for an end that is no answer."""
_NO_MONEY = "insufficient_quota"
_DOCTOR = "Run 'assist doctor' to see what is configured."


class DeclinedError(Exception):
    """The model, or a filter behind it, would not answer."""


class CutShortError(Exception):
    """A reply ended without a word on why, or is empty, so it is no answer."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A chat model by name, asked with a deadline and a bounded number of tries."""

    name: str
    """`provider:model`."""
    model: BaseChatModel
    window: int
    """Tokens that prompt and answer may take together."""
    answer_tokens: int
    """Tokens of the window that are kept free for the answer."""
    formats: JsonFormats = field(default_factory=lambda: JsonFormats(["native"]))
    retries: int = 0
    deadline: float = 120.0
    """Seconds that a call may take, all its tries together."""
    replaces_personal_data: bool = False
    """Whether names and numbers of people go out as placeholders, and come back as themselves."""

    async def ask(
        self,
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Return a reply that ended of its own accord, as JSON where a schema is given.

        Raises:
            ModelError: the model failed, in all the tries that made sense.
            TooLargeError: the request is longer than the model reads.
        """
        redactor = outbound_redactor() if self.replaces_personal_data else None
        if redactor is not None:
            messages = await asyncio.to_thread(_redacted, messages, redactor)
        reply = await self._ask(messages, config, schema)
        return reply if redactor is None else _restored(reply, redactor)

    async def _ask(
        self,
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        schema: Mapping[str, Any] | None,
    ) -> Reply:
        try:
            async with asyncio.timeout(self.deadline):
                tries = _Tries(self.retries, self.deadline)
                if schema is None:
                    return await tries.make(self.model, messages, config, read_words)
                return await self._ask_for_json(messages, config, schema, tries)
        except AssistantError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a provider's client may raise
            known = self._explain(error)
        raise known  # without the client's own error, whose words may quote the prompt

    async def _ask_for_json(
        self,
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        schema: Mapping[str, Any],
        tries: "_Tries",
    ) -> Reply:
        *others, last = formats = self.formats.to_try()
        is_certain = True
        for asked in formats:
            bound = bind_schema(self.model, schema, asked)
            said = say_schema(messages, schema, asked)
            try:
                reply = await tries.make(bound, said, config, read_json)
            except Exception as error:
                if asked == last or not _refuses_format(error):
                    raise
                is_certain = is_certain and _says_so(error)
            else:
                if others and reply.value is not None:
                    self.formats.settle(asked, is_certain=is_certain)
                return reply
        raise CutShortError  # not reached: the last format answers or raises

    def _explain(self, error: Exception) -> AssistantError:
        """Return the error that may leave: what failed and what to do, in our own words."""
        kind, words = _ours(error)
        return kind(f"The model {self.name} {words.format(seconds=self.deadline)}")


class _Tries:
    """The tries of one call: so many again, whatever they are spent on."""

    def __init__(self, retries: int, deadline: float) -> None:
        self._left = retries
        self._deadline = deadline

    async def make(
        self,
        runnable: "Runnable[Any, Any]",
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        read: Callable[[Any], Reply],
    ) -> Reply:
        """Try, and again as long as it may help and there is a try left."""
        insistence = AsyncRetrying(
            retry=retry_if_exception(_is_passing),
            stop=self._is_over,
            wait=_pause,
            before_sleep=self._spend,
            reraise=True,
        )
        async for attempt in insistence:
            with attempt:
                number = attempt.retry_state.attempt_number
                return await _try(runnable, messages, _numbered(config, number), read)
        raise CutShortError  # not reached: the last try returns or raises

    def _is_over(self, state: RetryCallState) -> bool:
        return self._left < 1 or stop_before_delay(self._deadline)(state)

    def _spend(self, _: RetryCallState) -> None:
        self._left -= 1


async def _try(
    runnable: "Runnable[Any, Any]",
    messages: Sequence[AnyMessage],
    config: RunnableConfig,
    read: Callable[[Any], Reply],
) -> Reply:
    try:
        reply = read(await runnable.ainvoke(list(messages), config))
    except ValueError as error:
        if "No generation" in str(error):  # LangChain's word for a stream without a single chunk
            raise CutShortError from error
        raise
    reason = finish_reason(reply.message)
    if reason in _DECLINED or reply.message.additional_kwargs.get("refusal"):
        raise DeclinedError
    if reason is None or not reply.text:
        raise CutShortError
    return reply


def _redacted(messages: Sequence[AnyMessage], redactor: Redactor) -> list[AnyMessage]:
    """Replace personal data in what people wrote; the instructions are ours."""
    return [
        message
        if message.type == "system"
        else message.model_copy(update={"content": redactor.redact(message.text).text})
        for message in messages
    ]


def _restored(reply: Reply, redactor: Redactor) -> Reply:
    return Reply(
        reply.message, redactor.restore(reply.text), _restored_value(reply.value, redactor)
    )


def _restored_value(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.restore(value)
    if isinstance(value, dict):
        return {name: _restored_value(inner, redactor) for name, inner in value.items()}
    if isinstance(value, list):
        return [_restored_value(inner, redactor) for inner in value]
    return value


def _numbered(config: RunnableConfig, number: int) -> RunnableConfig:
    return {**config, "metadata": {**config.get("metadata", {}), "attempt": number}}


def _is_passing(error: BaseException) -> bool:
    """Say whether the same request may succeed a moment later."""
    if getattr(error, "code", None) == _NO_MONEY:
        return False
    if isinstance(error, CutShortError | TimeoutError) or _came_in_the_stream(error):
        return True
    return bool(getattr(error, "is_retryable", False))


def _came_in_the_stream(error: BaseException) -> bool:
    """Say whether OpenAI's client was sent an error in place of the next chunk."""
    kind = type(error)
    return kind.__name__ == "APIError" and kind.__module__.startswith("openai")


def _says_so(error: BaseException) -> bool:
    return getattr(error, "status_code", None) in _REFUSALS


def _refuses_format(error: BaseException) -> bool:
    if isinstance(error, provider.ContextOverflowError):
        return False
    return _says_so(error) or isinstance(error, provider.ModelAPIError)


def _pause(state: RetryCallState) -> float:
    """Wait as long as the server asks, else longer after each try."""
    error = state.outcome.exception() if state.outcome else None
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked = float(headers["retry-after"])
    except (KeyError, ValueError):
        asked = 0.0
    return asked if asked > 0 else _BACKOFF(state)


_KINDS: Sequence[tuple[type[BaseException], type[AssistantError], str]] = (
    (
        provider.ModelAuthenticationError,
        ModelError,
        f"refused the key (401). Check OPENAI_API_KEY. {_DOCTOR}",
    ),
    (provider.ModelPermissionDeniedError, ModelError, f"refused access (403). {_DOCTOR}"),
    (provider.ModelNotFoundError, ModelError, f"is not known to its server (404). {_DOCTOR}"),
    (
        provider.ContextOverflowError,
        TooLargeError,
        "cannot read a request this long. Send the part that matters.",
    ),
    (
        provider.ModelInvalidRequestError,
        ModelError,
        f"refused the request as invalid (400). Choose another model. {_DOCTOR}",
    ),
    (
        provider.ModelRateLimitError,
        ModelBusyError,
        "takes no more requests now (429). Try again in a minute, or choose another model.",
    ),
    (
        provider.ModelAPIError,
        ModelError,
        "failed on its server's side. Try again, or choose another model.",
    ),
    (
        DeclinedError,
        ModelDeclinedError,
        "declined to answer this. Say it in other words, or ask your teacher.",
    ),
    (
        CutShortError,
        ModelIncompleteError,
        "broke off before the end of its answer. Nothing was kept as an answer; try again.",
    ),
    (
        provider.ModelTimeoutError,
        ModelTimeoutError,
        "did not answer in time. Try again, or choose another model.",
    ),
    (
        provider.ModelConnectionError,
        ModelError,
        f"could not be reached, or the connection broke. Try again. {_DOCTOR}",
    ),
    (
        TimeoutError,
        ModelTimeoutError,
        "did not answer within {seconds:g} s. Try again, or choose another model.",
    ),
)


def _ours(error: Exception) -> tuple[type[AssistantError], str]:
    if getattr(error, "code", None) == _NO_MONEY:
        return (
            ModelError,
            "has no quota left. Check the account's billing, or choose another model.",
        )
    for kind, ours, words in _KINDS:
        if isinstance(error, kind):
            return ours, words
    return ModelError, f"failed ({type(error).__name__}). Try again, or choose another model."
