"""What a model call cost, in integer nano-dollars, and whose price list says so.

A price that is not known is `None` with a reason, never 0.
"""

from agent.prices.addresses import host_of, is_near, is_openai
from agent.prices.price import NANO, Price, to_usd
from agent.prices.price_list import PriceList, host_named
from agent.prices.public import has_prices, warm

__all__ = [
    "NANO",
    "Price",
    "PriceList",
    "has_prices",
    "host_named",
    "host_of",
    "is_near",
    "is_openai",
    "to_usd",
    "warm",
]
