"""What a model call cost, in integer nano-dollars, and whose price list says so.

A price that is not known is `None` with a reason, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from importlib.metadata import version
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.settings import OPENAI_URL

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

NANO = 1_000_000_000
_FREE = "offline"
_OPENAI = "openai"
_OPENAI_HOST = urlsplit(OPENAI_URL).netloc
_FINE_TUNED = "ft:"


@dataclass(frozen=True, slots=True)
class Price:
    """A cost and its reference, or no cost and the reason."""

    nano_usd: int | None
    reference: str
    input_nano_usd: int | None = None
    """What the prompt cost; `None` where a charge belongs to neither side."""
    output_nano_usd: int | None = None
    """What the answer cost; together with the prompt exactly `nano_usd`."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices that apply here."""

    base_url: str = ""
    """Where the OpenAI client is pointed; elsewhere than OpenAI its prices do not apply."""
    provider: str = ""
    """Whose prices the operator says apply there."""

    def price(
        self, *, provider: str, model: str, usage: Mapping[str, Any] | None, at: datetime
    ) -> Price:
        """Price one call, of a chat model or an embedding, by its `usage_metadata`."""
        if provider == _FREE:
            return Price(0, "offline: no charge", 0, 0)
        tokens = usage or {}
        if tokens.get("input_tokens") is None or tokens.get("output_tokens") is None:
            return Price(None, "unknown: the server reported no usage")
        host = host_of(self.base_url) if provider == _OPENAI else ""
        if provider == _OPENAI and not is_openai(self.base_url):
            if not self.provider:
                return Price(None, f"unknown: {host} has no price list; set ASSIST_PRICE_PROVIDER")
            provider = self.provider
        return _look_up(provider, model, tokens, at, host)


def is_openai(base_url: str) -> bool:
    """Say whether an address is OpenAI's own; on another port something else answers."""
    return not base_url or host_of(base_url) == _OPENAI_HOST


def host_of(base_url: str) -> str:
    """Return host and port of an address, without credentials and without HTTPS's own port."""
    host = urlsplit(base_url).netloc.rpartition("@")[2].lower().removesuffix(":443")
    return host or base_url


def has_prices(provider: str) -> bool:
    """Say whether there are prices of a provider, by its name or one of its other names."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        get_snapshot().find_provider(None, provider, None)
    except LookupError:
        return False
    return True


def is_near(base_url: str) -> bool:
    """Say whether a server is on this machine or in its own network."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    return address.is_loopback or address.is_private


def to_usd(nano_usd: int | None) -> float | None:
    """Return nano-dollars as dollars."""
    return None if nano_usd is None else float(Decimal(nano_usd) / NANO)


def _look_up(provider: str, model: str, usage: Mapping[str, Any], at: datetime, host: str) -> Price:
    try:
        found = _calculate(provider, model, usage, at)
    except LookupError:
        whose = f"{provider}:{model}" if has_prices(provider) else f"a provider {provider!r}"
        return Price(None, f"unknown: no price for {whose}")
    except ValueError:
        return Price(None, "unknown: the usage that the server reported does not add up")
    is_tuned = _own_name(provider, model).startswith(_FINE_TUNED)
    if is_tuned and not found.model.id.startswith(_FINE_TUNED):
        return Price(None, f"unknown: no price for the fine-tuned {provider}:{model}")
    reference = f"{_list_name()} {found.provider.id}:{found.model.id}"
    total, prompt = _nano(found.total_price), _nano(found.input_price)
    is_split = found.input_price + found.output_price == found.total_price
    return Price(
        total,
        f"{reference} at {host}" if host else reference,
        prompt if is_split else None,
        total - prompt if is_split else None,
    )


def _calculate(
    provider: str, model: str, usage: Mapping[str, Any], at: datetime
) -> "PriceCalculation":
    from genai_prices import Usage, calc_price

    details = usage.get("input_token_details") or {}
    # Reasoning is part of the output tokens, so it is not counted beside them.
    tokens = Usage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=details.get("cache_creation"),
    )
    price = partial(calc_price, tokens, provider_id=provider, genai_request_timestamp=at)
    try:
        return price(model)
    except LookupError:
        return price(_own_name(provider, model))


@cache
def _list_name() -> str:
    return f"genai-prices {version('genai-prices')}"


def _own_name(provider: str, model: str) -> str:
    """Return a model's name as its provider calls it; gateways put the provider before it."""
    prefix = f"{provider}/".lower()
    return model[len(prefix) :] if model.lower().startswith(prefix) else model


def _nano(dollars: Decimal) -> int:
    return int((dollars * NANO).to_integral_value())
