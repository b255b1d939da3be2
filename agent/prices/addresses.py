"""Whose server an address is: OpenAI's own, one in this network, or a stranger's."""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.settings import OPENAI_URL

OPENAI_HOST = urlsplit(OPENAI_URL).netloc


def is_openai(base_url: str) -> bool:
    """Say whether an address is OpenAI's own; on another port something else answers."""
    return not base_url or host_of(base_url) == OPENAI_HOST


@lru_cache(maxsize=64)
def host_of(base_url: str) -> str:
    """Return host and port of an address, without credentials and without HTTPS's own port."""
    host = urlsplit(base_url).netloc.rpartition("@")[2].lower().removesuffix(":443")
    return host or base_url


def is_near(base_url: str) -> bool:
    """Say whether a server is on this machine or in its own network."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    return address.is_loopback or address.is_private
