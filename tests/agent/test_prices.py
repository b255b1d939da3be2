"""What a call costs, or why that is not known."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelPrice, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.prices import (
    NANO,
    Price,
    PriceList,
    has_prices,
    host_named,
    host_of,
    is_openai,
    to_usd,
    warm,
)

AT = datetime(2026, 11, 22, tzinfo=UTC)
LOCAL = "http://user:secret@127.0.0.1:9/v1"
OPENAI = "https://api.openai.com/v1"
TUNED = "ft:gpt-4o-mini-2024-07-18:org::id"
NAMES = [(found.id, model.id) for found in get_snapshot().providers for model in found.models]
USAGE: dict[str, Any] = {"input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500}


def used(prompt: Any, answer: Any, **details: Any) -> dict[str, Any]:
    """Make the usage of one call."""
    return {"input_tokens": prompt, "output_tokens": answer, **details}


def cached(read: int) -> dict[str, Any]:
    """Make the usage of 10,000 tokens in, of which some were cached, and 2,000 out."""
    return used(10_000, 2_000, input_token_details={"cache_read": read})


def thought(answer: int, **details: int) -> dict[str, Any]:
    """Make the usage of an answer that is not text alone."""
    return used(10, answer, output_token_details=details)


def heard(audio: int) -> dict[str, Any]:
    """Make the usage of a prompt that was partly spoken and partly cached."""
    return used(10, 1, input_token_details={"audio": audio, "cache_read": 5})


def served(tier: str) -> dict[str, Any]:
    """Make the usage of a call in a service tier, as LangChain counts it."""
    details = {f"{tier}_cache_read": 1_000, tier: 9_000}
    return used(10_000, 2_000, input_token_details=details)


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
    assert ask("o3", thought(100, reasoning=80)) == ask("o3", used(10, 100))


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
        (PriceList(OPENAI), "gpt-4o", used(1.5, 1), "does not add up"),
        (PriceList(OPENAI), "gpt-4o", used("1", 1), "does not add up"),
        (PriceList(OPENAI), "gpt-4o", used(10**11, 1), "does not add up"),
        (PriceList(OPENAI), "gpt-4", cached(10_001), "does not add up"),
        (PriceList(OPENAI), "o3", thought(3, reasoning=4), "does not add up"),
        (PriceList(OPENAI), "gpt-4", served("flex"), "the service tier 'flex' at api.openai.com"),
        (PriceList(OPENAI), "text-embedding-3-small", USAGE, "no price for the tokens of openai:"),
        (PriceList(OPENAI), "gpt-realtime", heard(5), "the list cannot tell how these tokens"),
        (PriceList(OPENAI), "whisper-1", USAGE, "no price for the tokens of openai:whisper"),
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
    price = ask("offline-1", None, provider="offline")
    assert (price.nano_usd, price.input_nano_usd, price.output_nano_usd) == (0, 0, 0)
    assert price.reference == "offline: no charge"
    assert price.details["list"] == "offline"


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


def by_library(provider: str, model: str, usage: Any, at: datetime) -> int:
    """Ask genai-prices itself."""
    details = usage.get("input_token_details") or {}
    tokens = Usage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=details.get("cache_creation"),
        cache_write_1h_tokens=details.get("ephemeral_1h_input_tokens"),
        input_audio_tokens=details.get("audio"),
    )
    found = calc_price(tokens, model, provider_id=provider, genai_request_timestamp=at)
    return int((found.total_price * NANO).to_integral_value())


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the usage of a call whose parts add up."""
    prompt = draw(st.integers(0, 2_000_000))
    read = draw(st.integers(0, prompt))
    write = draw(st.integers(0, prompt - read))
    hour = draw(st.sampled_from([0, write]))
    audio = draw(st.sampled_from([0, 0, 0, prompt - read - write]))
    details = {"cache_read": read, "cache_creation": write, "audio": audio}
    if hour:
        details["ephemeral_1h_input_tokens"] = hour
    return used(prompt, draw(st.integers(0, 200_000)), input_token_details=details)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    usage=usages(),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_price_equals_the_librarys_when_any_model_is_asked(
    name: tuple[str, str], usage: dict[str, Any], at: datetime
) -> None:
    """Every model, day and mix of tokens; unknown only where the list has no price for them."""
    price = PriceList().price(provider=name[0], model=name[1], usage=usage, at=at)
    if price.nano_usd is not None:
        assert price.nano_usd == by_library(*name, usage, at)
        return
    reason = re.search(r"no price for the (tokens|fine-tuned)|no price for|cannot", price.reference)
    assert reason
    if (error := {"no price for": LookupError, "cannot": ValueError}.get(reason[0])) is not None:
        with pytest.raises(error):
            by_library(*name, usage, at)


def test_price_equals_the_librarys_when_a_prompt_crosses_a_threshold() -> None:
    """Each side of each step of each model that has some."""
    steps = list(thresholds())
    assert len(steps) > 100
    for provider, model, prompt, answer in steps:
        usage = used(prompt, answer, input_token_details={"cache_read": 3})
        price = PriceList().price(provider=provider, model=model, usage=usage, at=AT)
        assert price.nano_usd == by_library(provider, model, usage, AT)


def thresholds() -> Iterator[tuple[str, str, int, int]]:
    """Yield models with prompts on either side of a step, and an answer where that is paid."""
    for provider in get_snapshot().providers:
        for model in provider.models:
            listed = model.get_prices(AT)
            if provider.find_model(model.id) is not model:
                continue
            for price in vars(listed).values():
                for tier in price.tiers if isinstance(price, TieredPrices) else ():
                    answer = 7 if listed.output_mtok else 0
                    yield provider.id, model.id, tier.start, answer
                    yield provider.id, model.id, tier.start + 1, answer


@pytest.mark.parametrize("model", ["gpt-5.4", "o3", "gpt-4o", "nobodys"])
def test_library_is_not_asked_again_when_a_model_was_seen(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its search and its arithmetic take too long for an event loop."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError

    first = ask(model)
    monkeypatch.setattr(DataSnapshot, "find_provider_model", forbidden)
    monkeypatch.setattr(ModelPrice, "calc_price", forbidden)
    assert ask(model) == first


def test_nothing_is_loaded_later_when_it_was_warmed() -> None:
    """The first call on an event loop reads no file."""
    code = (
        "import sys; from datetime import datetime, UTC; from agent.prices import PriceList, warm;"
        "warm(); before = set(sys.modules);"
        "usage = {'input_tokens': 9, 'output_tokens': 9, 'input_token_details': {'audio': 2}};"
        "ask = lambda model: PriceList().price("
        "    provider='openai', model=model, usage=usage, at=datetime.now(UTC));"
        "assert ask('gpt-realtime').nano_usd; ask('gpt-4'); ask('nobodys');"
        "assert set(sys.modules) == before, set(sys.modules) - before"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=False, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
    warm()


def test_details_say_all_when_the_price_is_known() -> None:
    """The row keeps whose price it was, from when, by which list, and what a token cost."""
    price = PriceList(OPENAI).price(provider="openai", model="o3", usage=cached(5_000), at=AT)
    name = price.reference.partition(" openai:")[0]
    assert price.details == {
        "provider": "openai",
        "model": "o3",
        "valid_from": "2025-06-10",
        "unit_prices": {
            "input_per_million_usd": "2",
            "cache_read_per_million_usd": "0.5",
            "output_per_million_usd": "8",
        },
        "list": name,
        "input_nano_usd": 12_500_000,
        "output_nano_usd": 16_000_000,
    }
    assert json.loads(json.dumps(price.details)) == price.details
    long = ask("gpt-5.4", used(1_000_000, 1)).details["unit_prices"]
    assert long["input_per_million_usd"] == "5"
    assert ask("nobodys").details == {}


def test_tier_is_paid_when_a_call_was_served_in_it() -> None:
    """The list has prices of its own for OpenAI's flex processing."""
    price = ask("gpt-5.4", served("flex"))
    found = calc_price(
        Usage(input_tokens=10_000, output_tokens=2_000, cache_read_tokens=1_000),
        "gpt-5.4",
        provider_id="openai",
        genai_request_timestamp=AT,
        price_context={"service_tier": "flex"},
    )
    standard = ask("gpt-5.4", cached(1_000))
    assert price.nano_usd == found.total_price * NANO < (standard.nano_usd or 0)
    assert price.details["service_tier"] == "flex"
    nobodys = ask("gpt-5.4", served("flex"), prices=PriceList(LOCAL, "azure"))
    assert nobodys.reference.startswith("unknown: no price for azure:")


def test_anthropics_cache_is_paid_once_when_it_is_counted_by_duration() -> None:
    """What is kept for five minutes or an hour is all that was written."""
    details = {"cache_creation": 0, "ephemeral_5m_input_tokens": 400}
    whole = used(1_000, 10, input_token_details={"cache_creation": 400})
    by_duration = used(1_000, 10, input_token_details=details)
    model = "claude-sonnet-4-5"
    assert ask(model, whole, provider="anthropic") == ask(model, by_duration, provider="anthropic")


@pytest.mark.parametrize(
    "prices",
    [
        PriceList(OPENAI),
        PriceList(LOCAL),
        PriceList(LOCAL, "openai"),
        PriceList(LOCAL, "groq"),
    ],
)
def test_server_is_read_back_when_a_reference_names_it(prices: PriceList) -> None:
    """A later price is for the server that was asked then."""
    for model in ("gpt-4o", "nobodys"):
        assert host_named(ask(model, prices=prices).reference) == host_of(prices.base_url)
    assert host_named("genai-prices 0.2.3 openai:gpt-4o") == "api.openai.com"
    assert prices.at_host(host_of(prices.base_url)) is prices
    assert PriceList(LOCAL, "openai").at_host("other:1") == PriceList("https://other:1")
