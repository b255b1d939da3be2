"""What a call costs, or why that is not known."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.prices import Price, PriceList, has_prices, host_of, is_openai, to_usd

AT = datetime(2026, 11, 22, tzinfo=UTC)
LOCAL = "http://user:secret@127.0.0.1:9/v1"
OPENAI = "https://api.openai.com/v1"
TUNED = "ft:gpt-4o-mini-2024-07-18:org::id"
USAGE: dict[str, Any] = {"input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500}


def used(prompt: int, answer: int, **details: Any) -> dict[str, Any]:
    """Make the usage of one call."""
    return {"input_tokens": prompt, "output_tokens": answer, **details}


def cached(read: int) -> dict[str, Any]:
    """Make the usage of 10,000 tokens in, of which some were cached, and 2,000 out."""
    return used(10_000, 2_000, input_token_details={"cache_read": read})


def ask(
    model: str, usage: Any = USAGE, *, prices: PriceList | None = None, provider: str = "openai"
) -> Price:
    """Price one call."""
    listed = prices or PriceList(OPENAI)
    return listed.price(provider=provider, model=model, usage=usage, at=AT)


@pytest.mark.parametrize(
    ("model", "usage", "prompt", "answer", "listed"),
    [
        ("gpt-4o-2024-08-06", USAGE, 2_500_000, 5_000_000, "openai:gpt-4o"),
        ("gpt-3.5-turbo-0125", USAGE, 500_000, 750_000, "openai:gpt-3.5-turbo"),
        ("gpt-4", USAGE, 30_000_000, 30_000_000, "openai:gpt-4"),
        ("gpt-5.4", USAGE, 2_500_000, 7_500_000, "openai:gpt-5.4"),
        ("gpt-5.4", used(1_000_000, 1_000), 5_000_000_000, 22_500_000, "openai:gpt-5.4"),
        ("gpt-4o", cached(5_000), 18_750_000, 20_000_000, "openai:gpt-4o"),
        ("gpt-4o-mini", used(7, 3, input_token_details={"cache_read": 3}), 825, 1_800, "4o-mini"),
        ("openai/gpt-4o", USAGE, 2_500_000, 5_000_000, "openai:gpt-4o"),
        (TUNED, USAGE, 300_000, 600_000, "openai:ft:gpt-4o-mini"),
        ("text-embedding-3-small", used(1_000, 0), 20_000, 0, "openai:text-embedding-3-small"),
    ],
)
def test_price_is_known_to_the_nano_dollar_when_openai_serves(
    model: str, usage: Any, prompt: int, answer: int, listed: str
) -> None:
    """Dated names, long prompts, cached tokens, fine-tunes and embeddings; sides make the whole."""
    price = ask(model, usage)
    assert (price.input_nano_usd, price.output_nano_usd) == (prompt, answer)
    assert price.nano_usd == prompt + answer
    assert price.reference.startswith("genai-prices ")
    assert price.reference.endswith(f"{listed} at api.openai.com")


def test_reasoning_is_paid_once_when_it_is_part_of_the_answer() -> None:
    """OpenAI counts reasoning among the output tokens."""
    thought = used(10, 100, output_token_details={"reasoning": 80})
    assert ask("o3", thought) == ask("o3", used(10, 100))


@pytest.mark.parametrize(
    ("prices", "model", "usage", "reason"),
    [
        (PriceList(OPENAI), "llama3.1:8b", USAGE, "no price for openai:llama3.1:8b"),
        (PriceList(OPENAI), "ft:gpt-4-0613:o::i", USAGE, "no price for the fine-tuned openai:ft:"),
        (PriceList(OPENAI), "openai/ft:gpt-4-0613:o::i", USAGE, "no price for the fine-tuned"),
        (PriceList(OPENAI), "gpt-4o", None, "the server reported no usage"),
        (PriceList(OPENAI), "gpt-4o", {"input_tokens": 5}, "the server reported no usage"),
        (PriceList(OPENAI), "gpt-4o", cached(10_001), "does not add up"),
        (PriceList(OPENAI), "gpt-4o", cached(-1), "does not add up"),
        (PriceList(OPENAI), "gpt-4o", used(-1, 1), "does not add up"),
        (PriceList(LOCAL), "gpt-4", USAGE, "127.0.0.1:9 has no price list"),
        (PriceList(LOCAL), "gpt-4", USAGE, "set ASSIST_PRICE_PROVIDER"),
        (PriceList(LOCAL), "openai/gpt-4o", USAGE, "127.0.0.1:9 has no price list"),
        (PriceList(LOCAL), "gpt-oss-20b", USAGE, "127.0.0.1:9 has no price list"),
        (PriceList("https://api.openai.com:8443/v1"), "gpt-4", USAGE, ":8443 has no price list"),
        (PriceList("localhost:9/v1"), "gpt-4", USAGE, "localhost:9/v1 has no price list"),
        (PriceList(LOCAL, "nobody"), "gpt-4", USAGE, "no price for a provider 'nobody'"),
        (PriceList(LOCAL, "openrouter"), "gpt-4o", USAGE, "no price for openrouter:gpt-4o"),
    ],
)
def test_price_is_unknown_with_a_reason_when_nobody_can_say(
    prices: PriceList, model: str, usage: Any, reason: str
) -> None:
    """A stranger's server, model or arithmetic is never billed as OpenAI's, and never as 0."""
    price = ask(model, usage, prices=prices)
    assert (price.nano_usd, price.input_nano_usd, price.output_nano_usd) == (None, None, None)
    assert price.reference.startswith("unknown: ")
    assert reason in price.reference
    assert "secret" not in price.reference


@pytest.mark.parametrize(
    ("prices", "model", "nano", "reference"),
    [
        (PriceList(LOCAL, "openai"), "gpt-4", 60_000_000, "openai:gpt-4 at 127.0.0.1:9"),
        (PriceList(LOCAL, "OpenAI"), "OpenAI/gpt-4o", 7_500_000, "openai:gpt-4o at 127.0.0.1:9"),
        (
            PriceList(LOCAL, "openrouter"), "openai/gpt-4o", 7_500_000,
            "openrouter:openai/gpt-4o at 127.0.0.1:9",
        ),
        (
            PriceList(LOCAL, "openrouter"), "openrouter/openai/gpt-4o", 7_500_000,
            "openrouter:openai/gpt-4o at 127.0.0.1:9",
        ),
        (PriceList(LOCAL, "groq"), "openai/gpt-oss-20b", 225_000, "groq:openai/gpt-oss-20b"),
        (PriceList(), "gpt-4", 60_000_000, "openai:gpt-4"),
        (PriceList("https://api.openai.com:443/v1"), "gpt-4", 60_000_000, "at api.openai.com"),
    ],
)  # fmt: skip
def test_price_is_the_named_providers_when_an_operator_says_so(
    prices: PriceList, model: str, nano: int, reference: str
) -> None:
    """Behind a gateway the names carry their provider; the record keeps who was paid."""
    price = ask(model, prices=prices)
    assert price.nano_usd == nano
    assert reference in price.reference


def test_address_is_not_named_when_another_provider_is_paid() -> None:
    """The address of an OpenAI-compatible server says nothing of Anthropic's bill."""
    price = ask("claude-sonnet-4-5", prices=PriceList(LOCAL), provider="anthropic")
    assert price.nano_usd == 10_500_000
    assert "127.0.0.1" not in price.reference


def test_sides_are_left_open_when_a_charge_belongs_to_neither() -> None:
    """A fee for the request is neither the prompt's nor the answer's."""
    price = ask("sonar", used(1_000, 10), provider="perplexity")
    assert (price.input_nano_usd, price.output_nano_usd) == (None, None)
    assert price.nano_usd is not None
    assert price.nano_usd > 1_010_000


def test_offline_model_is_free_when_asked() -> None:
    """Nothing is charged, usage or not; this is the one 0 that is known."""
    assert ask("offline-1", None, provider="offline") == Price(0, "offline: no charge", 0, 0)


def test_price_is_that_of_its_day_when_it_has_changed() -> None:
    """A record of before keeps the price of before."""
    on = {
        day: PriceList(OPENAI).price(provider="openai", model="o3", usage=USAGE, at=day).nano_usd
        for day in (datetime(2025, 1, 1, tzinfo=UTC), AT)
    }
    assert list(on.values()) == [30_000_000, 6_000_000]


def test_provider_is_known_when_it_has_prices() -> None:
    """The doctor asks this of the setting."""
    assert has_prices("openrouter")
    assert not has_prices("nobody")


@pytest.mark.parametrize(
    ("base_url", "host", "is_own"),
    [
        ("", "", True),
        (OPENAI, "api.openai.com", True),
        ("https://API.openai.com:443/v1/", "api.openai.com", True),
        ("https://api.openai.com:8443/v1", "api.openai.com:8443", False),
        ("https://api.openai.com.evil.example/v1", "api.openai.com.evil.example", False),
        ("https://api.openai.com@evil.example/v1", "evil.example", False),
        ("http://[::1]:9/v1", "[::1]:9", False),
    ],
)
def test_address_is_openais_own_when_nothing_stands_between(
    base_url: str, host: str, *, is_own: bool
) -> None:
    """The host and the port decide; what looks like them does not."""
    assert (host_of(base_url), is_openai(base_url)) == (host, is_own)


def test_dollars_are_exact_when_converted() -> None:
    """Nano-dollars become dollars; unknown stays unknown."""
    assert to_usd(7_500_000) == 0.0075
    assert to_usd(None) is None
