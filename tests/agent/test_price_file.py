"""The operator's own prices: which entry counts, and what is said of a wrong file."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.errors import SettingsError
from agent.prices import PriceList
from agent.settings import load_settings
from tests.agent.test_prices import LOCAL, OPENAI, USAGE, ask, cached, used

PAGE = Path(__file__).parents[2] / "docs" / "prices.md"
ENTRY = '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = "1"\noutput = "2"\n'


def own(tmp_path: Path, text: str, **given: Any) -> PriceList:
    """Open the prices of an installation with a file."""
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return PriceList.open(load_settings(price_file=path, **given))


def test_own_price_wins_when_an_entry_fits(tmp_path: Path) -> None:
    """The first that fits counts; what none fits costs what the public list says."""
    first = ENTRY.replace('"gpt-4o"', '"gpt-4o-m*"').replace('"1"', "0.5")
    prices = own(tmp_path, f"{first}cache_read = 0.25\n{ENTRY.replace('gpt-4o', '*')}")
    usage = cached(4_000)
    price = ask("GPT-4o-mini", usage, prices=prices)
    assert (price.input_nano_usd, price.output_nano_usd) == (4_000_000, 4_000_000)
    assert price.reference == "file own.toml openai:gpt-4o-m*"
    assert price.details == {
        "provider": "openai",
        "model": "gpt-4o-m*",
        "valid_from": None,
        "unit_prices": {
            "input_per_million_usd": "0.5",
            "output_per_million_usd": "2",
            "cache_read_per_million_usd": "0.25",
        },
        "list": "file own.toml",
        "input_nano_usd": 4_000_000,
        "output_nano_usd": 4_000_000,
    }
    assert ask("gpt-4", usage, prices=prices).input_nano_usd == 10_000_000
    other = ask("claude-sonnet-4-5", usage, prices=prices, provider="anthropic")
    assert other.reference.startswith("genai-prices")


def test_own_price_counts_each_cached_token_once_when_it_has_a_price(tmp_path: Path) -> None:
    """Read, written and fresh tokens make the prompt."""
    prices = own(tmp_path, f'{ENTRY}cache_read = "0.1"\ncache_write = "3"\n')
    details = {"cache_read": 100, "cache_creation": 200}
    price = ask("gpt-4o", used(1_000, 0, input_token_details=details), prices=prices)
    assert price.nano_usd == 700 * 1_000 + 100 * 100 + 200 * 3_000


def test_own_price_holds_on_its_days_when_it_has_some(tmp_path: Path) -> None:
    """From the first to the last day, both of them in UTC."""
    prices = own(tmp_path, f"{ENTRY}from = 2026-11-22\nuntil = 2026-11-22\n")
    east = timezone(timedelta(hours=2))
    for at, is_own in (
        (datetime(2026, 11, 21, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 22, 1, 59, tzinfo=east), False),
        (datetime(2026, 11, 22, 2, 0, tzinfo=east), True),
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 23, tzinfo=UTC), False),
    ):
        price = prices.price(provider="openai", model="gpt-4o", usage=USAGE, at=at)
        assert price.reference.startswith("file own.toml") == is_own, at
        assert not is_own or price.details["valid_from"] == "2026-11-22"


@pytest.mark.parametrize(
    ("entry", "given", "is_own"),
    [
        ("", {}, True),
        ("", {"openai_base_url": LOCAL}, False),
        ("", {"openai_base_url": LOCAL, "price_provider": "OpenAI"}, True),
        ("", {"openai_base_url": LOCAL, "price_provider": "groq"}, False),
        ('host = "127.0.0.1:9"', {}, False),
        ('host = "127.0.0.1:9"', {"openai_base_url": LOCAL}, True),
        ('host = "127.0.0.1:9"', {"openai_base_url": LOCAL, "price_provider": "groq"}, True),
        ('host = "127.0.0.1:8"', {"openai_base_url": LOCAL}, False),
        ('host = "API.openai.com:443"', {}, True),
        ('host = "api.openai.com"', {"openai_base_url": OPENAI}, True),
    ],
)
def test_own_price_is_for_a_server_when_it_is_named(
    tmp_path: Path, entry: str, given: dict[str, Any], *, is_own: bool
) -> None:
    """Without a host, a price is for those whose prices apply; a stranger's server is not."""
    price = ask("openai/gpt-4o", prices=own(tmp_path, ENTRY + entry, **given))
    assert (price.nano_usd == 2_000_000) == is_own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{ENTRY}\n{ENTRY}inputs = '1'",
            ":12, price 2: there is no 'inputs'. Did you mean input?",
        ),
        (f"{ENTRY}currency = 'EUR'", ':6, price 1: currency = "EUR": Prices are in USD'),
        (f"{ENTRY}host = 'http://h'", ':6, price 1: host = "http://h": Write host or host:port'),
        (f"{ENTRY}from = 'soon'", ':6, price 1: from = "soon": Write a day, such as 2026-11-22.'),
        (f"{ENTRY}from = 2026-02-02\nuntil = 2026-02-01", ":7, price 1: until 2026-02-01 is"),
        (ENTRY.replace('"1"', '"free"'), ':4, price 1: input = "free": Write dollars per million'),
        (ENTRY.replace('"1"', "true"), ":4, price 1: input = true: Write dollars per million"),
        (ENTRY.replace('"1"', "-1"), ":4, price 1: input = -1: Write dollars per million"),
        (ENTRY.replace('"1"', "nan"), ":4, price 1: input = NaN: Write dollars per million"),
        (ENTRY.replace('"1"', "1e9"), "At most 100,000."),
        (ENTRY.replace('output = "2"\n', ""), ":1, price 1: output is missing. Write dollars per"),
        (ENTRY.replace('model = "gpt-4o"\n', ""), ":1, price 1: model is missing. Name it."),
        (ENTRY.replace('"openai"', '""'), ':2, price 1: provider = "": Name it.'),
        (ENTRY.replace('"openai"', "7"), ":2, price 1: provider = 7: Write it in quotes."),
        (ENTRY.replace("gpt-4o", "*-mini"), ':3, price 1: model = "*-mini": A star stands for'),
        ("price = [{input = 1}]", "own.toml, price 1: provider is missing. Name it."),
        ("[price]\ninput = 1", "begin each price with a line [[price]], in two brackets"),
        ("[[prices]]\ninput = 1", "there is no 'prices' in a price file. Did you mean price?"),
        ("[[price]\n", "own.toml:1: this is not TOML"),
    ],
)  # fmt: skip
def test_price_file_is_refused_when_it_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    """At the start, with the line, the entry and the key, and what to do."""
    with pytest.raises(SettingsError, match=r"^ASSIST_PRICE_FILE: ") as caught:
        own(tmp_path, text)
    assert said in str(caught.value)


def test_price_file_is_refused_when_it_cannot_be_read(tmp_path: Path) -> None:
    """It is there and text, or nothing starts."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# M\xfcnchen")
    for path, said in ((tmp_path / "none.toml", "No such file"), (latin, "is not UTF-8")):
        with pytest.raises(SettingsError, match=said):
            PriceList.open(load_settings(price_file=path))


def test_price_file_holds_when_copied_from_the_page(tmp_path: Path) -> None:
    """The example of the page is valid, and does what the page says."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    contract = own(tmp_path, example)
    assert ask("gpt-4o-2024-08-06", prices=contract).nano_usd == 6_000_000
    campus = own(tmp_path, example, openai_base_url="http://gpu.example.edu:8000/v1")
    assert ask("llama3.1:8b", prices=campus).nano_usd == 0
    assert (
        ask("gpt-4o", prices=campus).reference == "file own.toml openai:* at gpu.example.edu:8000"
    )
    refused = re.findall(r"```text\n(ASSIST_PRICE_FILE.*?)```", PAGE.read_text("utf-8"), re.S)
    with pytest.raises(SettingsError) as caught:
        own(tmp_path, example.replace('input = "2.00"', 'input = "2,00"'))
    assert (
        str(caught.value).replace(str(tmp_path / "own.toml"), "prices.toml") == refused[0].strip()
    )
