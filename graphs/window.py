"""What fits into a model's window: the oldest turns and the least relevant sources go first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from graphs.context import ChosenModel
from graphs.errors import RequestTooLongError
from prompts import RenderedPrompt, visible
from retrieval import Source

_BYTES_PER_TOKEN = 3
"""Below what current tokenizers reach on prose, code and CJK text alike, so estimates err high."""
_TOKENS_PER_MESSAGE = 4

Compose = Callable[[Sequence[Source]], RenderedPrompt]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages that go out, the sources they hold, and what had to be left out."""

    messages: list[AnyMessage]
    sources: list[Source]
    left_out: list[str]


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text`, from above."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE


def fit(
    choice: ChosenModel,
    compose: Compose,
    *,
    sources: Sequence[Source],
    history: Sequence[AnyMessage] = (),
    tail: Sequence[AnyMessage] = (),
) -> Fitted:
    """Compose the messages for a model, leaving out what its window cannot hold.

    `history` stands before the prompt's message, `tail` behind it and is never left out;
    both lose what no reader sees, as the prompt's values have.

    Raises:
        RequestTooLongError: not even the bare request fits.
    """
    budget = choice.window - choice.answer_tokens
    kept_sources, kept_history = list(sources), [_seen(message) for message in history]
    sizes = [estimate_tokens(message.text) for message in kept_history]
    fixed = sum(estimate_tokens(message.text) for message in tail)
    left_out: list[str] = []
    prompt = compose(kept_sources)
    size = _size(prompt)
    while (total := size + sum(sizes) + fixed) > budget:
        if kept_history:
            kept_history.pop(0)
            sizes.pop(0)
        elif kept_sources:
            dropped = kept_sources.pop()
            left_out.append(f"source [{dropped['number']}] {dropped['title']}")
            prompt = compose(kept_sources)
            size = _size(prompt)
        else:
            raise RequestTooLongError(
                f"The request takes about {total} tokens, but {choice.name} reads at most "
                f"{budget}. Shorten it or split it."
            )
    if dropped_turns := len(history) - len(kept_history):
        left_out.insert(0, f"the {dropped_turns} oldest messages of this thread")
    opening, question = SystemMessage(prompt.instructions), HumanMessage(prompt.message)
    ending = [_seen(message) for message in tail]
    return Fitted([opening, *kept_history, question, *ending], kept_sources, left_out)


def _seen(message: AnyMessage) -> AnyMessage:
    text = message.text
    return (
        message if visible(text) == text else message.model_copy(update={"content": visible(text)})
    )


def _size(prompt: RenderedPrompt) -> int:
    return estimate_tokens(prompt.instructions) + estimate_tokens(prompt.message)
