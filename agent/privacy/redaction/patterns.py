"""Values with a form of their own, each checked beyond its form.

It knows what the form says, what the check digits say, and which values are examples.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator

from agent.privacy.redaction.issued import (
    IBAN_LENGTHS,
    PUBLIC_SERVERS,
    TEST_CARDS,
    TEST_IBANS,
    TEST_SSNS,
    TLDS,
)
from agent.privacy.redaction.spans import Find

Prose = Callable[[int], bool]
"""Whether a place in the text stands in prose, not in code."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])(?P<local>\w[\w.+%'-]{0,63})@(?P<domain>(?:[\w-]{1,63}\.){1,4}(?P<tld>[A"
    r"-Za-z]{2,24}))"
    r"(?![\w@])(?!\.?[(\[])"
)
_SPELT_EMAIL = re.compile(
    r"(?<![\w.+-])(?:\w[\w+-]{1,40}\s?[\[({<]\s?dot\s?[\])}>]\s?){0,2}"
    r"\w[\w.+-]{1,40}(?:\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?|\s(?:at|AT)\s)[\w-]{1,40}"
    r"(?:(?:\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?|\s(?:dot|DOT)\s)[\w-]{1,40}|\.[\w-]{1,40}){1,4}"
)
_EXAMPLE_DOMAIN = re.compile(

        r"(?:.*[.])?(?:(?:my|your|some|the)?-?(?:example|domain|company|host|site|mail|server"
        r"|foo|bar|test)"
    r"\d?[.][a-z.]{2,8}|.*[.](?:test|invalid|localhost|local|internal))", re.I)  # fmt: skip
_EXAMPLE_LOCAL = re.compile(r"git|no-?reply|your?[._-]?(?:name|email|mail|id)|e?mail|address", re.I)

_CARD = re.compile(r"(?<![\w.-])(?<![A-Za-z]\d\d )\d(?:[ -]?\d){11,18}+(?![ -]?\d|[\w-]|\.\d)")
_GROUPING = re.compile(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5}")
_CARD_CUE = re.compile(r"\b(?:cards?|cc|visa|master ?card|amex|maestro|debit|credit)\b", re.I)
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|30[0-5]|3[689]|6011|64[4-9]|65|35|2131|1800|62")
_CUED_ISSUER = re.compile(_ISSUER.pattern + r"|5[06-8]|6")

_DIGITS = re.compile(r"\d.?\d")
_SEVEN_DIGITS = re.compile(r"\d(?:[().\s/xXeEtT-]{0,17}\d){6}")
"""What every card, social security and telephone number has, an extension's digits among them."""
_IBAN_START = re.compile(r"\d(?<=[A-Za-z]{2}\d)\d")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_UUID = re.compile(r"(?<![\w-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-])")

_SSN = re.compile(r"(?<![\w.-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-]|\.\d)")
_SSN_CUE = re.compile(r"\b(?:ssn|social security)\b", re.I)

_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV4_MIDDLE = re.compile(r"\.\d{1,3}\.\d")
_IPV6_MIDDLE = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_LEAST_GROUPS = 3
_VERSION = re.compile(r"(?:\bv|version|release|==|>=|~=|/|chrome|build)\s*\Z", re.I)

_GROUPED = r"\+?\(?\d[\d().\x20/-]{4,22}\d(?:\s?(?:x|ext\.?)\s?\d{1,5})?"
_CUED_PHONE = re.compile(
    r"\b(?P<cue>tele?(?:phone)?|phone|mobile|cell(?:phone)?|fax|desk|handy|whats ?app|landline"
    r"|(?:call|text|reach|ring|dial|phone|sms|message|contact) (?:me|us|him|her|them)"
    r"|(?:my|his|her|their|our) number|answering|messages?|registered|call|dial|ring|reach|contact)"
    rf"\b[^\d\n(+]{{0,25}}\n?[ \t]?(?P<number>{_GROUPED})(?![\w-]|\.\d)", re.I)  # fmt: skip
_PLAIN_CUE = re.compile(r"answering|messages?|registered|call|dial|ring|reach|contact", re.I)
_NANP = re.compile(
    r"(?<![\w.+-])(?<!\d )(?:(?:\+?1|001)[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}(?P<gap>[-. ]))"
    r"[2-9]\d{2}(?(gap)(?P=gap)|[-. ])\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?![\w-]|[. ]\d)"
)
_INTERNATIONAL = re.compile(
    r"(?<![\w.+-])(?:\+|00)[1-9]\d{0,2}(?P<body>[ .-]?(?:\(0\d{0,3}\)[ .-]?)?\d[\d .()-]{5,16}\d"
    r"(?:x\d{1,5})?)(?![\w-]|\.\d)"
)
_TRUNK = re.compile(
    r"(?<![\w.,+-])(?<!\d )(?:\(0\d{1,4}\)|0\d{1,4})(?:[ .-]\d{2,4}){2,4}(?![\w-]|[., ]?\d)"
)
_GROUPS = re.compile(r"\d[ .-]\d+[ .-]\d")
"""A plus and two gaps make a phone number, in code too."""
_PHONE_DIGITS = range(7, 17)
_STRONG_DIGITS = range(9, 16)


def find_emails(text: str) -> Iterator[Find]:
    """Yield e-mail addresses, not the examples of manuals."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            example = _EXAMPLE_DOMAIN.fullmatch(match["domain"]) or _EXAMPLE_LOCAL.fullmatch(
                match["local"]
            )
            if match["tld"].lower() in TLDS and not example:
                yield Find(match.start(), match.end(), "EMAIL")
    if "dot" in text.lower():
        for match in _SPELT_EMAIL.finditer(text):
            if re.split(r"\W", match[0].rstrip("])}> "))[-1].lower() in TLDS:
                yield Find(match.start(), match.end(), "EMAIL")


def find_numbers(text: str, prose: Prose) -> Iterator[Find]:
    """Yield bank, social security and card numbers, addresses of machines, telephones."""
    if _DIGITS.search(text) is None:
        return
    if _IBAN_START.search(text):
        for match in _IBAN.finditer(text):
            length = _iban_length(match[0])
            if length and not _is_in_uuid(text, match.start()):
                yield Find(match.start(), match.start() + length, "IBAN")
    is_long = _SEVEN_DIGITS.search(text) is not None
    if is_long:
        yield from _cards(text)
    yield from _machines(text)
    if is_long:
        yield from _phones(text, prose)


def _cards(text: str) -> Iterator[Find]:
    for match in _CARD.finditer(text):
        if _is_card(match[0], cued=bool(_CARD_CUE.search(text, *_before(match, 40)))):
            yield Find(match.start(), match.end(), "CARD")
    for match in _SSN.finditer(text):
        spaced = match[1] == " "
        if _digits(match[0]) not in TEST_SSNS and (
            not spaced or _SSN_CUE.search(text, *_before(match, 40))
        ):
            yield Find(match.start(), match.end(), "SSN")


def _machines(text: str) -> Iterator[Find]:
    if _IPV4_MIDDLE.search(text):
        for match in _IPV4.finditer(text):
            if _is_public(match[0]) and not _VERSION.search(text, *_before(match, 12)):
                yield Find(match.start(), match.end(), "IP")
    if _IPV6_MIDDLE.search(text):
        for match in _IPV6.finditer(text):
            groups = [group for group in match[0].split(":") if group]
            # A slice such as `[1::2]` reads as an address too.
            if len(groups) >= _LEAST_GROUPS and _is_public(match[0]):
                yield Find(match.start(), match.end(), "IP")


def _phones(text: str, prose: Prose) -> Iterator[Find]:
    for match in _CUED_PHONE.finditer(text):
        number = match["number"]
        digits = _digits(number.split("x")[0].split("e")[0])
        plain = _PLAIN_CUE.fullmatch(match["cue"]) is not None
        fits = len(digits) in _PHONE_DIGITS and not _is_made_up(digits, run=7)
        if fits and (not plain or (prose(match.start()) and not number.isdigit())):
            yield Find(match.start("number"), match.end("number"), "PHONE")
    for pattern in (_INTERNATIONAL, _NANP, _TRUNK):
        for match in pattern.finditer(text):
            digits = _digits(match[0].split("x")[0].split("e")[0])
            fits = len(digits) in _STRONG_DIGITS and not _is_made_up(digits)
            is_grouped = match[0].startswith("+") and _GROUPS.search(match[0]) is not None
            if fits and (is_grouped or prose(match.start())):
                yield Find(match.start(), match.end(), "PHONE")


def _before(match: re.Match[str], width: int) -> tuple[int, int]:
    return max(0, match.start() - width), match.start()


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _is_made_up(digits: str, run: int = 6) -> bool:
    """Tell numbers of examples: 555 exchanges, counting up, one digit over and over."""
    local = digits[-10:]
    return (
        "555" in {local[:3], local[3:6]}
        or any(
            digits[place : place + run] in "01234567890" for place in range(len(digits) - run + 1)
        )
        or len(set(digits)) <= 2  # noqa: PLR2004 - 000-111-0000 and the like
    )


def _is_card(text: str, *, cued: bool) -> bool:
    digits = _digits(text)
    if digits in TEST_CARDS or len(set(digits)) <= 2:  # noqa: PLR2004 - as above
        return False
    issuer = _CUED_ISSUER if cued else _ISSUER
    usual = len(digits) in {14, 15, 16} and _GROUPING.fullmatch(text) is not None
    return (cued or usual) and issuer.match(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 * (n > 9) for n in doubled)) % 10 == 0  # noqa: PLR2004 - Luhn's arithmetic


def _iban_length(text: str) -> int:
    """Return how many characters of a candidate are an IBAN whose check digits hold."""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    places = [place for place, character in enumerate(text) if character not in " -"]
    place = places[wanted - 1] + 1 if 0 < wanted <= len(places) else len(text)
    number = re.sub(r"[ -]", "", text[:place]).upper()
    if not wanted or len(number) != wanted or number in TEST_IBANS:
        return 0
    followed = place < len(text) and text[place] not in " -"
    turned = number[4:] + number[:4]
    remainder = int("".join(str(int(character, 36)) for character in turned)) % 97
    return place if remainder == 1 and not followed else 0


def _is_in_uuid(text: str, place: int) -> bool:
    """Tell whether a group of a UUID begins at a place; its check digits can hold by chance."""
    starts = (place - before for before in (0, 9, 14, 19, 24))
    return any(start >= 0 and _UUID.match(text, start) for start in starts)


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    parts = text.split(".")
    small = len(parts) == 4 and all(len(part) == 1 for part in parts)  # noqa: PLR2004 - octets
    return address.is_global and not small and text not in PUBLIC_SERVERS
