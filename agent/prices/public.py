"""The public price list, genai-prices.

Its own calculation takes 0.3 ms, too long for an event loop. So the match of a model is kept, and
plain tokens are multiplied here; what has a rule of its own (audio, fees, service tiers) is left
to the library.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from agent.prices.price import NANO, Charge, Price, Rates, Tokens, plain

if TYPE_CHECKING:
    from genai_prices.types import (
        ModelInfo,
        ModelPrice,
        PriceVariant,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

    Constraint = StartDateConstraint | TimeOfDateConstraint | None
    Listing = Mapping[str, Decimal | TieredPrices]

_FINE_TUNED = "ft:"
_FREE = ":free"
_OWN_RULES = {"requests_kcount", "output_reasoning_mtok"}
_PER_MILLION = "_mtok"


@dataclass(frozen=True, slots=True)
class Period:
    """The prices of a model while a condition holds."""

    constraint: "Constraint"
    starts: tuple[int, ...]
    """Above how many tokens of the prompt the next of the steps applies."""
    steps: tuple[tuple[Rates, dict[str, str]], ...]
    """What a million tokens costs, to calculate with and in words."""
    has_input: bool
    has_output: bool
    is_plain: bool
    """Whether plain tokens cost what they cost, and nothing else does."""

    @property
    def valid_from(self) -> str | None:
        """Return the first day of the prices, where the list says one."""
        start = getattr(self.constraint, "start_date", None)
        return start.isoformat() if start else None


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the list."""

    info: "ModelInfo"
    name: str
    """The provider and the model, as the list calls them."""
    provider: str
    periods: tuple[Period, ...]
    """The one that counts first stands first, the one for any other time last."""
    variants: "tuple[PriceVariant, ...]"
    """What depends on how the call was served; only the model's own provider has them."""

    def price(self, tokens: Tokens, at: datetime, place: str) -> Price:
        """Price one call."""
        period = self._at(at)
        if tokens.tier and not self._has_tier(tokens.tier, at):
            return unknown(f"no price for {self.name} in the service tier {tokens.tier!r}", place)
        is_free = self.info.id.endswith(_FREE)
        if not is_free and not (period.has_input and (period.has_output or not tokens.output)):
            return unknown(f"no price for the tokens of {self.name}", place)
        rates, unit_prices = period.steps[bisect_left(period.starts, tokens.input)]
        if period.is_plain and _is_plain(tokens):
            charge = rates.charge(tokens)
        else:
            try:
                charge, unit_prices = self._ask_library(tokens, at)
            except ValueError:
                return unknown("the list cannot tell how these tokens overlap", place)
        details = {
            "provider": self.provider,
            "model": self.info.id,
            "valid_from": None if tokens.tier else period.valid_from,
            "unit_prices": dict(unit_prices),
            "list": _list_name(),
            **({"service_tier": tokens.tier} if tokens.tier else {}),
        }
        return charge.priced(f"{_list_name()} {self.name}{place}", details)

    def _at(self, at: datetime) -> Period:
        return next(
            (
                period
                for period in self.periods
                if period.constraint is None or period.constraint.active(at)
            ),
            self.periods[-1],
        )

    def _has_tier(self, tier: str, at: datetime) -> bool:
        return any(
            variant.when == {"service_tier": tier}
            and (variant.constraint is None or variant.constraint.active(at))
            for variant in self.variants
        )

    def _ask_library(self, tokens: Tokens, at: datetime) -> tuple[Charge, dict[str, str]]:
        from genai_prices import Usage

        listed = self.info.get_prices(at, {"service_tier": tokens.tier} if tokens.tier else None)
        counted = {
            "cache_read_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write,
            "cache_write_1h_tokens": tokens.cache_write_1h,
            "output_reasoning_tokens": tokens.reasoning,
            "input_audio_tokens": tokens.input_audio,
            "output_audio_tokens": tokens.output_audio,
        }
        some = {name: count for name, count in counted.items() if count}
        found = listed.calc_price(
            Usage(input_tokens=tokens.input, output_tokens=tokens.output, **some)
        )
        charge = Charge(
            found["input_price"] * NANO, found["output_price"] * NANO, found["total_price"] * NANO
        )
        return charge, _in_words(_step(_stated(listed), tokens.input))


def warm() -> None:
    """Load the list and the library, before the first call on an event loop needs them."""
    from genai_prices import Usage, calc_price

    calc_price(Usage(input_tokens=1, output_tokens=1), "gpt-4o", provider_id="openai")
    _list_name()


def has_prices(provider: str) -> bool:
    """Say whether there are prices of a provider, by its name or one of its other names."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        get_snapshot().find_provider(None, provider, None)
    except LookupError:
        return False
    return True


def unknown(reason: str, place: str = "") -> Price:
    """Make the price that nobody can say."""
    return Price(None, f"unknown: {reason}{place}")


def own_name(provider: str, model: str) -> str:
    """Return a model's name as its provider calls it; gateways put the provider before it."""
    prefix = f"{provider}/".lower()
    return model[len(prefix) :] if model.lower().startswith(prefix) else model


@lru_cache(maxsize=1024)
def find(provider: str, model: str) -> Model | str:
    """Return a model of the list by its provider's name or a gateway's, or why there is none."""
    from genai_prices.data_snapshot import get_snapshot

    search = get_snapshot().find_provider_model
    for name in (model, own_name(provider, model)):
        try:
            whose, info = search(name, None, provider, None)
            break
        except LookupError:
            continue
    else:
        wanted = f"{provider}:{model}" if has_prices(provider) else f"a provider {provider!r}"
        return f"no price for {wanted}"
    if own_name(provider, model).startswith(_FINE_TUNED) and not info.id.startswith(_FINE_TUNED):
        return f"no price for the fine-tuned {provider}:{model}"
    if isinstance(info.prices, list):
        periods = [_period(price.constraint, price.prices) for price in reversed(info.prices)]
    else:
        periods = [_period(None, info.prices)]
    is_own = any(info is one for one in whose.models)
    variants = tuple(info.price_variants or ()) if is_own else ()
    return Model(info, f"{whose.id}:{info.id}", whose.id, tuple(periods), variants)


def _period(constraint: "Constraint", listed: "ModelPrice") -> Period:
    stated = _stated(listed)
    starts = sorted({t.start for price in stated.values() for t in getattr(price, "tiers", ())})
    steps = []
    for tokens in (0, *(start + 1 for start in starts)):
        step = _step(stated, tokens)
        zero = Decimal(0)
        rates = Rates(
            step.get("input_mtok", zero),
            step.get("output_mtok", zero),
            step.get("cache_read_mtok"),
            step.get("cache_write_mtok"),
        )
        steps.append((rates, _in_words(step)))
    return Period(
        constraint=constraint,
        starts=tuple(starts),
        steps=tuple(steps),
        has_input="input_mtok" in stated,
        has_output="output_mtok" in stated,
        is_plain=not _OWN_RULES & stated.keys(),
    )


def _stated(listed: "ModelPrice") -> "Listing":
    return {name: price for name, price in vars(listed).items() if price is not None}


def _step(stated: "Listing", tokens: int) -> dict[str, Decimal]:
    """Return the prices that apply to a prompt of so many tokens, to all of them."""
    return {name: _applying(price, tokens) for name, price in stated.items()}


def _applying(price: "Decimal | TieredPrices", tokens: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tokens > tier.start), price.base)


def _in_words(step: Mapping[str, Decimal]) -> dict[str, str]:
    words = {
        f"{name.removesuffix(_PER_MILLION)}_per_million_usd": plain(price)
        for name, price in step.items()
        if name.endswith(_PER_MILLION)
    }
    if fee := step.get("requests_kcount"):
        words["requests_per_thousand_usd"] = plain(fee)
    return words


def _is_plain(tokens: Tokens) -> bool:
    return not (tokens.cache_write_1h or tokens.input_audio or tokens.output_audio or tokens.tier)


@cache
def _list_name() -> str:
    return f"genai-prices {version('genai-prices')}"
