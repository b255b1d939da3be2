"""What a model call cost, in integer nano-dollars, and whose price list says so.

A price that is not known is `None` with a reason, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

NANO = 1_000_000_000
_FREE = "offline"
_OPENAI_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Price:
    """A cost and its reference, or no cost and the reason."""

    nano_usd: int | None
    reference: str


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
        """Price one call by its `usage_metadata`."""
        if provider == _FREE:
            return Price(0, "offline: no charge")
        if not usage:
            return Price(None, "unknown: the server reported no usage")
        host = urlsplit(self.base_url).hostname or ""
        if provider == "openai" and host not in ("", _OPENAI_HOST):
            if not self.provider:
                return Price(None, f"unknown: {host} has no price list; set ASSIST_PRICE_PROVIDER")
            provider = self.provider
        return _look_up(provider, model, usage, at, host)


def to_usd(nano_usd: int | None) -> float | None:
    """Return nano-dollars as dollars."""
    return None if nano_usd is None else float(Decimal(nano_usd) / NANO)


def _look_up(provider: str, model: str, usage: Mapping[str, Any], at: datetime, host: str) -> Price:
    from genai_prices import Usage, calc_price

    details = usage.get("input_token_details") or {}
    tokens = Usage(
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=details.get("cache_creation"),
    )
    try:
        found = calc_price(tokens, model, provider_id=provider, genai_request_timestamp=at)
    except (LookupError, ValueError):
        return Price(None, f"unknown: no price for {provider}:{model}")
    reference = f"genai-prices {version('genai-prices')} {found.provider.id}:{found.model.id}"
    return Price(
        int((found.total_price * NANO).to_integral_value()),
        f"{reference} at {host}" if host else reference,
    )
