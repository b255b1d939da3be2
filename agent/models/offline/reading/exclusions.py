"""What a brief rules out: `Do not use numpy`, `No login is needed`, `Loops are not allowed`.

It knows the English words that forbid a thing or say that it is not needed. It does not know
what the thing is.
"""

import re

_USE = r"(?:use|using|import|importing|rely(?:ing)? on|depend(?:ing)? on|resort to|make use of)"
_WANT = rf"(?:{_USE}|include|including|add|require|need|involve)"
_NOT = (
    r"(?:(?:do|does|must|should|may|can|could|shall|will|are|is)(?:\s?n[o'\u2019]t|\s+not)"
    r"|cannot|mustn[o'\u2019]?t|never)"
)
_REFUSED = (
    r"(?:(?:must|may|should|can)(?: ?not|n't) be used"
    r"|(?:is|are) (?:not (?:allowed|required|needed|necessary|permitted|expected|part of \w+)"
    r"|forbidden|prohibited|banned|out of scope))\b(?! to\b)"
)
_WHO = (
    r"(?:(?:please|also|but|note that|make sure that|make sure to|you|we|students?|it"
    r"|(?:the|your|this) (?:program|code|solution|app|application|function|submission|script))\s+)*"
)
_BAN = re.compile(
    rf"^{_WHO}{_NOT}\s+(?:be )?(?:allowed to |permitted to )?"
    rf"(?P<verb>{_USE}|(?!(?:need|have|require)\b)\w+)\s+(?P<what>\S.*)$",
    re.I,
)
_REFUSAL = re.compile(
    rf"^(?:the |any |no )?(?P<what>(?:[\w`'/+#.()-]+ ){{1,6}}?)(?:(?P<refused>{_REFUSED})"
    r"|(?<=\s)(?:is|are|may be|can be) (?:allowed|permitted|used)\b)"
    r"(?: (?:in|for|by|to) (?:this|the|your|any) .*)?$",
    re.I,
)
_ABSENT = re.compile(
    r"^(?:there (?:is|are|will be) )?no (?!two\b|more\b|one\b|longer\b)"
    r"(?P<what>(?:[\w`'/+#.-]+ ){0,3}[\w`'/+#.-]+)(?: (?:is|are) (?:needed|required|necessary))?$",
    re.I,
)
_IS_USE = re.compile(rf"{_USE}$", re.I)
_STATES = re.compile(r"\b(?:is|are|can|may|must|should|will|has|have|if|when|than|that)\b", re.I)
_CLAUSE = r"(?:(?!,? but |,? instead|, use )[^.;\n]){1,160}"
_EXCLUDED = re.compile(
    rf"\b{_NOT}\s+(?:be )?(?:allowed to )?{_WANT}\s+{_CLAUSE}"
    rf"|\b(?:do|does|will)(?: not|n't) (?:need|have) to {_CLAUSE}"
    r"|\b(?:there (?:is|are|will be)|has|have|with|needs?|requires?)"
    r" no (?!two |more |one )[^.,;\n]{1,80}"
    r"|\bwithout (?:any |an? |the |using )?(?!\w+ing\b)[^.,;\n]{1,40}"
    r"|(?:^|(?<=[.!?;\n]))\s*(?:[-*] )?no (?!two |more |one )[^.,;\n]{1,60}?"
    r"(?: (?:is|are) (?:needed|required|necessary|allowed|permitted))?(?=[.,;\n]|$)"
    rf"|(?:^|(?<=[.!?,;\n]))[^.,;\n]{{1,60}} {_REFUSED}",
    re.I,
)


def ban_of(text: str) -> str:
    """Return what a sentence forbids, as an order; an empty string where it forbids nothing.

    >>> ban_of("You must not use recursion."), ban_of("No loops are allowed")
    ('Do without recursion', 'Do without loops')
    """
    said = text.strip().rstrip(".:;,!")
    if found := _BAN.match(said):
        if _IS_USE.match(found["verb"]):
            return f"Do without {found['what']}"
        return f"Do not {found['verb'].lower()} {found['what']}"
    if found := _REFUSAL.match(said):
        is_refused = bool(found["refused"]) or said[:3].lower() == "no "
        return f"Do without {_small(found['what'].strip())}" if is_refused else ""
    found = _ABSENT.match(said)
    return (
        f"Do without {found['what'].strip()}" if found and not _STATES.search(found["what"]) else ""
    )


def is_ban(sentence: str) -> bool:
    """Say whether a sentence clearly forbids the use of a thing."""
    said = sentence.strip().rstrip(".:;,!")
    is_clear = _BAN.match(said) or _REFUSAL.match(said)
    return bool(is_clear) and ban_of(said).startswith("Do without")


def without_exclusions(text: str) -> str:
    """Take out what a text forbids or does not need; what it does ask for stays."""
    return _EXCLUDED.sub(" ", text)


def _small(text: str) -> str:
    return text if text[:2].isupper() or text[:1] == "`" else f"{text[:1].lower()}{text[1:]}"
