"""What a call costs, or why that is not known."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.prices import PriceList, to_usd

AT = datetime(2026, 11, 22, tzinfo=UTC)
LOCAL = "http://127.0.0.1:9/v1"
OPENAI = "https://api.openai.com/v1"
USAGE: dict[str, Any] = {"input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500}


@pytest.mark.parametrize(
    ("prices", "provider", "model", "usage", "nano", "reference"),
    [
        (PriceList(), "openai", "gpt-4o-2024-08-06", USAGE, 7_500_000, "openai:gpt-4o"),
        (
            PriceList(), "openai", "gpt-4o",
            {**USAGE, "input_token_details": {"cache_read": 400}}, 7_000_000, "openai:gpt-4o",
        ),
        (PriceList(), "openai", "gpt-4", USAGE, 60_000_000, "openai:gpt-4"),
        (PriceList(), "openai", "llama3.1:8b", USAGE, None, "no price for openai:llama3.1"),
        (PriceList(), "openai", "gpt-4o", None, None, "unknown: the server reported no usage"),
        (PriceList(), "offline", "offline-1", USAGE, 0, "offline: no charge"),
        (PriceList(LOCAL), "openai", "gpt-4", USAGE, None, "127.0.0.1 has no price"),
        (PriceList(LOCAL, "openai"), "openai", "gpt-4", USAGE, 60_000_000, "127.0.0.1"),
        (PriceList(OPENAI), "openai", "gpt-4", USAGE, 60_000_000, "api.openai.com"),
    ],
)  # fmt: skip
def test_price_is_known_or_null_with_a_reason_when_asked(
    prices: PriceList, provider: str, model: str, usage: Any, nano: int | None, reference: str
) -> None:
    """A dated name, a cached prompt, a local server, a stranger: right, or said to be unknown."""
    price = prices.price(provider=provider, model=model, usage=usage, at=AT)
    assert price.nano_usd == nano
    assert reference in price.reference


def test_dollars_are_exact_when_converted() -> None:
    """Nano-dollars become dollars; unknown stays unknown."""
    assert to_usd(7_500_000) == 0.0075
    assert to_usd(None) is None
