"""Secrets: keys with a maker's prefix, tokens, passwords in addresses and in assignments.

It looks at forms and at how random a value is; it tries no key.
"""

import re
from collections.abc import Iterator

from agent.privacy.redaction.gates import holds, matches_at
from agent.privacy.redaction.spans import Find

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,250}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,128}"
    r"|whsec_[A-Za-z0-9]{24,64}"
    r"|gh[opsur]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{16,64}"
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,45}|ya29\.[A-Za-z0-9_-]{20,250}"
    r"|hf_[A-Za-z0-9]{20,64}|lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,128}|gsk_[A-Za-z0-9]{20,128}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250}|npm_[A-Za-z0-9]{30,64}"
    r"|pypi-[A-Za-z0-9_-]{30,250}|dop_v1_[a-f0-9]{40,80}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}"
    r"|tvly-[A-Za-z0-9-]{16,64}|r8_[A-Za-z0-9]{30,64}|key-[a-f0-9]{32}|nvapi-[A-Za-z0-9_-]{30,128}"
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?"
    r")(?![A-Za-z0-9])"
)
_PREFIXES = (
    "sk-", "sk_", "rk_", "pk_", "whsec_", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_",
    "glpat-", "AKIA", "ASIA", "AROA", "AIDA", "AIza", "ya29.", "hf_", "lsv2_", "gsk_", "xox",
    "xapp-", "npm_", "pypi-", "dop_v1_", "SG.", "tvly-", "r8_", "key-", "nvapi-", "eyJ",
)  # fmt: skip
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}+"
    r"(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_WEBHOOK = re.compile(
    r"https://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/(?P<value>["
    r"\w/-]{16,200})"
)
_BEARER = re.compile(r"\b(?:Bearer|Basic|Token)\s{1,3}(?P<value>[A-Za-z0-9+/_.~=-]{16,2000})")
_LOGIN = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://(?P<value>[^\s/@:'\"<>]{1,80}:[^\s/@'\"<>]{1,120})@(?P<hos"
    r"t>[\w.-]{1,120})",
    re.I,
)
_ASSIGNED = re.compile(
    r"(?P<name>(?:api|access|secret|private|auth|client|session|encryption|signing|account)[_ -]?"
    r"(?:key|token|secret)|passw(?:or)?d|passwd|passphrase|secret|token|pwd)[\w]{0,20}"
    r"[\"']?\s{0,3}(?::=|=>|[:=]|\bis\b|\bwas\b)\s{0,3}(?P<quote>[\"']?)(?P<value>[^\s\"'<>"
    r"{}]{6,200})(?P=quote)",
    re.I,
)
_ASSIGNED_TO = re.compile(r"key|token|secre(?=t)|pass|pwd")
"""The words of the names; the last letter of `secret` may begin `token`."""
_QUALIFIERS = (
    "api", "access", "secret", "private", "auth", "client", "session", "encryption", "signing",
    "account",
)  # fmt: skip
"""What may stand before a key, a token or a secret."""
_DIGIT = re.compile(r"\d")
_MADE_UP = re.compile(
    r"example|change|your|dummy|fake|sample|placeholder|secret|password|passwd|token|test"
    r"|xxx|\*\*\*"
    r"|\.\.\.|\$|%|\(|\[|[a-z]_[a-z]+_[a-z]|(?:os|env|self|config|settings|process|request"
    r"|data|user)\.",
    re.I,
)
_KINDS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")
_EXAMPLE_HOST = re.compile(
    r"(?:.*\.)?(?:example\.\w+|localhost|test|invalid)|127\.0\.0\.1|host|db|\w+", re.I
)
_EXAMPLE_LOGIN = re.compile(
    r"(?:user(?:name)?|admin|root|postgres|me|foo|\w{0,6}user):(?:pass(?:word|wd)?|pw|pwd"
    r"|secret|postgres|root|admin|bar)\d{0,3}",
    re.I,
)
_LONG = 20
_LEAST_VARIED = 10
_DUMMY = re.compile(r"your|example|x{6}|\.{3}", re.I)


def find_secrets(text: str) -> Iterator[Find]:
    """Yield keys, tokens, private keys and passwords that are written out."""
    for match in _PRIVATE_KEY.finditer(text):
        yield Find(match.start(), match.end(), "SECRET")
    for match in _PREFIXED.finditer(text) if holds(text, _PREFIXES) else ():
        if not _is_made_up(match[0]):
            yield Find(match.start(), match.end(), "SECRET")
    if "://" in text:
        for match in _WEBHOOK.finditer(text):
            yield Find(*match.span("value"), "SECRET")
        for match in _LOGIN.finditer(text):
            made_up = _EXAMPLE_LOGIN.fullmatch(match["value"])
            if not made_up and not _EXAMPLE_HOST.fullmatch(match["host"]):
                yield Find(*match.span("value"), "SECRET")
    yield from _tokens(text)


def _tokens(text: str) -> Iterator[Find]:
    if text.isascii() and not _DIGIT.search(text):
        # Without a digit no value looks random.
        return
    for match in _BEARER.finditer(text) if holds(text, ("Bearer", "Basic", "Token")) else ():
        if _looks_random(match["value"], least=3) and len(match["value"]) >= _LONG:
            yield Find(*match.span("value"), "SECRET")
    for match in _assigned(text):
        value = match["value"].rstrip(".,;:)")
        least = 2 if len(value) >= _LONG else 3
        if _looks_random(value, least=least) and not _MADE_UP.search(value):
            start = match.start("value")
            yield Find(start, start + len(value), "SECRET")


def _assigned(text: str) -> Iterator[re.Match[str]]:
    """Yield what is assigned to a key or a password: the pattern is tried at such words alone."""
    if not text.isascii():
        yield from _ASSIGNED.finditer(text)
        return
    lower = text.lower()
    places = set()
    for match in _ASSIGNED_TO.finditer(lower):
        place = match.start()
        places.add(place)
        end = place - (lower[place - 1 : place] in {"_", " ", "-"})
        places.update(end - len(word) for word in _QUALIFIERS if lower.endswith(word, 0, end))
    yield from matches_at(_ASSIGNED, text, sorted(places))


def _looks_random(value: str, *, least: int) -> bool:
    kinds = sum(1 for kind in _KINDS if re.search(kind, value))
    return kinds >= least and any(map(str.isdigit, value)) and len(set(value)) > len(value) // 4


def _is_made_up(value: str) -> bool:
    """Tell `sk-xxxxxxxx` and `ghp_your_token_here` from keys."""
    return len(set(value)) < _LEAST_VARIED or _DUMMY.search(value) is not None
