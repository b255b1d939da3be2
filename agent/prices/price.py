"""What one call used, what a token costs, and what comes of both.

It knows tokens and dollars, not whose prices they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

NANO = 1_000_000_000
_NANO_PER_TOKEN = 1_000
"""Nano-dollars a token at one dollar a million tokens."""
_MOST_TOKENS = 10**10
"""No call has more; a cost within it fits the records at any price that is accepted."""
_TIERS = ("priority", "flex")
"""The service tiers that LangChain tells apart, by a prefix of what it counts."""


@dataclass(frozen=True, slots=True)
class Price:
    """A cost and its reference, or no cost and the reason."""

    nano_usd: int | None
    reference: str
    input_nano_usd: int | None = None
    """What the prompt cost; `None` where a charge belongs to neither side."""
    output_nano_usd: int | None = None
    """What the answer cost; together with the prompt exactly `nano_usd`."""
    details: dict[str, Any] = field(default_factory=dict)
    """The price itself, as it is recorded; empty where it is unknown."""


class Tokens(NamedTuple):
    """What one call used; the parts of a side are counted in it, not beside it."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    """The part of `cache_write` that is kept for an hour."""
    reasoning: int
    input_audio: int
    output_audio: int
    tier: str
    """The service tier, where it is not the standard one."""


class Rates(NamedTuple):
    """Dollars per million tokens."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    """`None`: as any other token of the prompt."""
    cache_write: Decimal | None = None

    def charge(self, tokens: Tokens) -> "Charge":
        """Return what plain tokens cost, exactly."""
        fresh, prompt = tokens.input, Decimal(0)
        if self.cache_read is not None:
            fresh -= tokens.cache_read
            prompt += self.cache_read * tokens.cache_read
        if self.cache_write is not None:
            fresh -= tokens.cache_write
            prompt += self.cache_write * tokens.cache_write
        prompt = (prompt + self.input * fresh) * _NANO_PER_TOKEN
        answer = self.output * tokens.output * _NANO_PER_TOKEN
        return Charge(prompt, answer, prompt + answer)


class Charge(NamedTuple):
    """Nano-dollars before they are rounded."""

    prompt: Decimal
    answer: Decimal
    total: Decimal
    """More than both where there is a fee for the call itself."""

    def priced(self, reference: str, details: Mapping[str, Any]) -> Price:
        """Round to whole nano-dollars, so that the sides make the whole."""
        total, prompt = _whole(self.total), _whole(self.prompt)
        is_split = self.prompt + self.answer == self.total
        first, second = (prompt, total - prompt) if is_split else (None, None)
        costs = {"input_nano_usd": first, "output_nano_usd": second}
        return Price(total, reference, first, second, {**details, **costs})


def read_usage(usage: Mapping[str, Any]) -> Tokens | None:
    """Read LangChain's `usage_metadata`; `None` where the counts do not add up."""
    inputs = usage.get("input_token_details") or {}
    outputs = usage.get("output_token_details") or {}
    tier = next((name for name in _TIERS if name in inputs), "")
    prefix = f"{tier}_" if tier else ""
    hour = inputs.get("ephemeral_1h_input_tokens") or 0
    counts = (
        usage["input_tokens"],
        usage["output_tokens"],
        inputs.get(f"{prefix}cache_read") or 0,
        inputs.get(f"{prefix}cache_creation") or 0,
        hour,
        outputs.get(f"{prefix}reasoning") or 0,
        inputs.get("audio") or 0,
        outputs.get("audio") or 0,
        inputs.get("ephemeral_5m_input_tokens") or 0,
    )
    if not all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    # Anthropic's cache is counted by its duration, and then not once more as a whole.
    tokens = Tokens(*counts[:3], max(counts[3], hour + counts[8]), *counts[4:8], tier)
    is_whole = (
        tokens.cache_read + tokens.cache_write <= tokens.input
        and tokens.input_audio <= tokens.input
        and max(tokens.reasoning, tokens.output_audio) <= tokens.output
    )
    return tokens if is_whole else None


def to_usd(nano_usd: int | None) -> float | None:
    """Return nano-dollars as dollars."""
    return None if nano_usd is None else float(Decimal(nano_usd) / NANO)


def in_words(rates: Rates) -> dict[str, str]:
    """Return unit prices as they are recorded."""
    return {
        f"{name}_per_million_usd": plain(rate)
        for name, rate in rates._asdict().items()
        if rate is not None
    }


def plain(amount: Decimal) -> str:
    """Write an amount without an exponent."""
    return f"{amount:f}"


def _whole(nano: Decimal) -> int:
    return int(nano.to_integral_value())
