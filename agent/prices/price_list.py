"""The prices that apply in one installation: the operator's own first, then the public list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from agent.prices.addresses import OPENAI_HOST, host_of, is_openai
from agent.prices.price import Price, read_usage
from agent.prices.price_file import Call, PriceFile, read_price_file
from agent.prices.public import find, unknown
from agent.settings import Settings

_OFFLINE = "offline"
_OPENAI = "openai"
_NO_LIST = "has no price list"
_HOST = re.compile(rf" at (\S+)$|^unknown: (\S+) {_NO_LIST}")


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices that apply here."""

    base_url: str = ""
    """Where the OpenAI client is pointed; elsewhere than OpenAI its prices do not apply."""
    provider: str = ""
    """Whose prices the operator says apply there."""
    file: PriceFile | None = None
    """The operator's own prices."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Read the operator's prices, where there are any.

        Raises:
            SettingsError: the file cannot be used.
        """
        own = read_price_file(settings.price_file) if settings.price_file else None
        return cls(settings.openai_base_url, settings.price_provider, own)

    def price(
        self, *, provider: str, model: str, usage: Mapping[str, Any] | None, at: datetime
    ) -> Price:
        """Price one call, of a chat model or an embedding, by its `usage_metadata`.

        It is quick enough for an event loop once `warm` has run.
        """
        if provider == _OFFLINE:
            return _no_charge(model)
        given = usage or {}
        if given.get("input_tokens") is None or given.get("output_tokens") is None:
            return unknown("the server reported no usage")
        tokens = read_usage(given)
        if tokens is None:
            return unknown("the usage that the server reported does not add up")
        host = host_of(self.base_url) if provider == _OPENAI else ""
        is_strange = provider == _OPENAI and not is_openai(self.base_url)
        payee = self.provider if is_strange else provider
        place = f" at {host}" if host else ""
        call = Call(provider, payee, model, host)
        own = self.file.price(call, tokens, at, place) if self.file else None
        if own:
            return own
        if not payee:
            return unknown(f"{host} {_NO_LIST}; set ASSIST_PRICE_PROVIDER")
        listed = find(payee, model)
        return (
            unknown(listed, place) if isinstance(listed, str) else listed.price(tokens, at, place)
        )

    def at_host(self, host: str) -> Self:
        """Return the prices of another server of OpenAI's kind.

        What the operator says of the server in the settings is not said of that one.
        """
        if host == (host_of(self.base_url) or OPENAI_HOST):
            return self
        return replace(self, base_url=f"https://{host}", provider="")


def host_named(reference: str) -> str:
    """Return the server that a reference names; OpenAI's own where it names none."""
    found = _HOST.search(reference)
    return (found[1] or found[2]) if found else OPENAI_HOST


def _no_charge(model: str) -> Price:
    details = {
        "provider": _OFFLINE,
        "model": model,
        "valid_from": None,
        "unit_prices": {"input_per_million_usd": "0", "output_per_million_usd": "0"},
        "list": _OFFLINE,
        "input_nano_usd": 0,
        "output_nano_usd": 0,
    }
    return Price(0, "offline: no charge", 0, 0, details)
