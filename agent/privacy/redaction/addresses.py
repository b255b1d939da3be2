"""Postal addresses by their grammar: a number and a street word, a flat, a box, a cue.

It knows street words of a dozen languages and no list of places.
"""

import re
from collections.abc import Iterator

from agent.privacy.redaction.gates import holds, matches_at, numbers_in, words_before
from agent.privacy.redaction.patterns import Prose
from agent.privacy.redaction.spans import Find


def _choices(pattern: str) -> tuple[str, ...]:
    """Return the words that a group of plain words chooses from."""
    return tuple(pattern[3:-1].replace("\\", "").split("|"))


_WORD = r"[^\W\d_][\w'./-]{0,30}"
_CAP = r"[A-Z0-9][\w'.-]{0,30}"
_SURE = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Boulevard|Blvd|Court|Crescent|Terrace"
    r"|Parkway|Pkwy"
    r"|Highway|Hwy|Alley|Mews|Gardens|Grove|Turnpike|Quay|Wharf|Str)"
)
_LOOSE = r"(?:Close|Place|Square|Way|Walk|Row|Hill|Circle|Park|Green|Court|Drive)"
_SMALL = r"(?:street|avenue|road|lane|boulevard|crescent|drive|terrace)"
_SUFFIX = (
    r"(?:strasse|str\.|gasse|weg|platz|allee|ufer|vej|gade|gatan|gata|vagen|veien|vegur"
    r"|straeti|katu|tie|kuja"
    r"|straat|laan|plein|gracht)"
)
_FRONT = (
    r"(?i:rue|avenue|av|avda\.?|avenida|boulevard|bd|calle|paseo|plaza|rua|praca|via|viale"
    r"|piazza|corso"
    r"|ul\.|al\.|os\.|pl\.|trg|carrer|largo|travessa|chemin|impasse|quai|unter den|am|an der)"
)
_BEHIND_WORD = r"(?:u\.|utca|utja|korut|ulica|ulice|terrasse|tn)"
_JOIN = r"(?:de|del|dei|della|degli|do|da|dos|das|du|des|la|le|les|los|las|of|the|an|der|den)"
_NUMBER = r"\d{1,5}[A-Za-z]?(?:[-/]\d{1,4})?"
_UNIT = r"(?:(?i:apt|apartment|suite|ste|flat|room|floor)\.? ?\#? ?\d{1,5}[A-Za-z]?)"
_ZIP = r"(?:\d{4,6}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z0-9]? ?\d[A-Z]{2}|\d{4} ?[A-Z]{2}|\d{3} \d{2})\b"
_SEP = r"(?: ?, ?\n?| \n|\n{1,2}| )[ ?]{0,5}(?:, ?)?"
_TOWN = rf"(?:{_JOIN}|[^\W\d_a-z∆][\w'.()-]{{0,30}}|\([A-Z]\w{{1,20}}\))"
# Flats, then a town and a postal code, or a town and a country in lines of their own.
_TAIL = (
    rf"(?:{_SEP}{_UNIT}){{0,3}}"
    rf"(?:(?:{_SEP}{_TOWN}){{1,8}}?{_SEP}{_ZIP}|{_SEP}{_ZIP}(?:{_SEP}{_TOWN})?|(?:,[ \n]"
    rf"|\n )[ ?]{{0,4}}{_TOWN}(?: {_TOWN}){{0,2}}"
    rf"(?:(?:,[ \n]|\n )[ ?]{{0,4}}{_TOWN}(?: {_TOWN}){{0,2}})?)?"
)
# A flat: what stands before it is a street, if there is a number.
_FLAT = re.compile(
    rf"(?<![\w.])(?=\S{{0,30}}(?: \S{{1,30}}){{0,5}}?[ \n?,]{{1,6}}(?:Apt"
    rf"|Suite)\.? ?\d)(?=[^\n]{{0,80}}\d)"
    rf"(?:\d{{1,6}}|[^\W\d_a-z][\w'.-]{{0,30}})(?:,? (?!(?:Apt|Suite)\b)(?:\d{{1,5}}|u\."
    rf"|{_JOIN}|[^\W\d_a-z][\w'.-]{{0,30}}|terrasse)){{0,7}}"
    rf"(?:,? |,? ?\n[ ?]{{0,5}})(?:Apt|Suite)\.? ?\d{{1,5}}\b{_TAIL}"
)
_NUMBER_FIRST = re.compile(r"\d.*?\b(?:Apt|Suite)", re.S)
_DIGIT = re.compile(r"\d")
_NAMED = re.compile(
    r"(?<![\w.])(?:[A-Z][\w'-]{1,24} ){1,3}(?:Street|Avenue|Road|Boulevard|Lane|Drive)\b"
)
_CORNER = re.compile(
    rf"\bthe corner of (?:\d{{1,5}} )?(?:{_CAP} ){{1,5}}(?:\d{{1,5}} )?and (?:{_CAP}(?: "
    rf"|\b)){{1,4}}"
)
_BOX = re.compile(
    rf"(?:\b\d{{1,6}} )?\b(?:P\.? ?O\.? ?Box|Postbox"
    rf"|Post Office Box) \d{{1,6}}\b(?: {_CAP}){{0,2}}{_TAIL}"
)
_MILITARY = re.compile(
    r"\b(?:(?:PSC|Unit|CMR) \d{3,5},? Box \d{3,5}(?:,? ?\n? ?[ADF]PO,? A[AEP] \d{5})?"
    r"|US(?:NS|NV|S|CGC) [A-Z]\w{1,20},?\s[ADF]PO,? A[AEP] \d{5})",
    re.I,
)
_SMALL_FLAT = re.compile(
    r"(?<![\w.])\d{1,6}(?: [^\s,]{1,30}){1,5}? (?:apt\."
    r"|suite) \d{1,5}\b(?:[ \n]{1,2}[\w,]{2,20}){0,4}"
)
# 114 Oak Avenue, Apt. 4, Springfield, IL 62704
_STREET = re.compile(
    rf"(?<![\w.\#$-])(?:\d{{1,6}} )?{_NUMBER},? (?:{_CAP} ){{1,4}}{_SURE}\b\.?(?: [NSEW"
    rf"]{{1,2}}\b)?{_TAIL}"
)
_LOOSE_STREET = re.compile(
    r"\b(?:at|on|to|near|from|lives?|address:?|home|is:?)\s{1,2}"
    rf"(?P<place>{_NUMBER} (?:{_CAP} ){{1,3}}{_LOOSE}\b{_TAIL})"
)
# Brunnenstrasse 12, 10115 Berlin
_SUFFIXED = re.compile(
    rf"(?<![\w.])(?:\d{{1,6}} )?(?:[A-Z][\w'.-]{{1,24}} ){{0,2}}[A-Z][\w.-]{{1,24}}"
    rf"{_SUFFIX} {_NUMBER}\b(?!\.\d){_TAIL}"
)
# 12 Rue Victor Hugo; ul. Mila 53; Via dei Fiorentini 17
_NUMBER_FRONT = re.compile(
    rf"(?<![\w.])(?:\d{{1,6}} )?{_NUMBER},? {_FRONT}(?: (?:{_JOIN}"
    rf"|[A-Z][\w'.-]{{1,24}})){{1,4}}{_TAIL}"
)
_FRONT_NUMBER = re.compile(
    rf"(?<![\w.])(?:\d{{1,6}} )?{_FRONT}(?: (?:{_JOIN}"
    rf"|[A-Z][\w'.-]{{1,24}})){{1,4}},? {_NUMBER}\b{_TAIL}"
)
# Kalman Imre u. 12.
_BEHIND = re.compile(
    rf"(?<![\w.])(?:\d{{1,6}} )?(?:[A-Z][\w'-]{{1,24}} ){{1,3}}{_BEHIND_WORD}"
    rf" {_NUMBER}\b\.?{_TAIL}"
)
_CUED = re.compile(
    r"\b(?:(?:live[sd]?|living|stay(?:ing|s)?|meet (?:me|you)|located|office is"
    r"|restaurant is) (?:at|on|in)"
    r"|address(?: is|:|\?| with)?(?: it is)?|moved to|deliver(?:ed)? to"
    r"|sen[dt] (?:\w{1,8} ){0,3}to|taxi to"
    r"|return (?:it )?to|drops you off at|side of|enter on|sent to\? user:|here they are:"
    r"|refers to)"
    rf"[ :]{{0,2}}\n?[ ]?(?P<place>(?:(?:\d{{1,6}}[A-Za-z]?,? ){{1,2}}(?:{_WORD} ?){{1,4}}("
    rf"?:\b\d{{1,5}}\b)?"
    rf"|(?:[A-Z][\w'.-]{{1,24}} ){{1,4}}\d{{1,5}}\b){_TAIL})",
    re.I,
)
_BLOCK = re.compile(r"\b[Aa]ddress:[ \t]?\n(?P<place>(?:[ \t]*[^\s][^\n]{0,80}(?:\n|\Z)){1,5})")
_POST_CODE = re.compile(
    r"\b(?:zip|post(?:al)? ?code)(?: code)?(?: is"
    rf"|:) ?(?P<place>\d{{4,5}}\b(?: [A-Z]{{2}}\b)?|{_ZIP})",
    re.I,
)
_PLAIN = re.compile(rf"(?<![\w.])\d{{1,5}}[A-Za-z]? (?:[a-z][a-z'.-]{{1,20}} ){{1,3}}{_SMALL}\b")
_AT_NUMBERS = (_STREET, _NUMBER_FRONT, _SMALL_FLAT, _PLAIN)
"""Those that begin with a number: they are tried at numbers alone."""
_WORDS = {
    _LOOSE_STREET: _choices(_LOOSE),
    _CORNER: ("the corner of",),
    _BOX: ("Box ", "Postbox "),
    _MILITARY: (" box ", "po a", "po, a"),
    _FLAT: ("Apt", "Suite"),
    _NAMED: (" Street", " Avenue", " Road", " Boulevard", " Lane", " Drive"),
    _CUED: (
        "live", "living", "stay", "meet ", "located", "office is", "restaurant is", "address",
        "moved to", "deliver", "send ", "sent ", "taxi to", "return to", "return it to",
        "drops you off at", "side of", "enter on", "here they are:", "refers to",
    ),
    _BLOCK: ("ddress:",),
    _POST_CODE: ("zip", "postcode", "post code", "postalcode", "postal code"),
}  # fmt: skip
"""Words of which one has to be in the text, in small letters where the pattern ignores case."""
_JOINS = frozenset(_choices(_JOIN))
_BEHIND_WORDS = frozenset(_choices(_BEHIND_WORD))
_SUFFIXES = _choices(_SUFFIX)
_FRONT_WORDS = (
    "rue ", "avenue ", "av ", "avda", "avenida ", "boulevard ", "bd ", "calle ", "paseo ",
    "plaza ", "rua ", "praca ", "via ", "viale ", "piazza ", "corso ", "ul. ", "al. ", "os. ",
    "pl. ", "trg ", "carrer ", "largo ", "travessa ", "chemin ", "impasse ", "quai ",
    "unter den ", "am ", "an der ",
)  # fmt: skip
_PATTERNS = (
    _STREET, _LOOSE_STREET, _SUFFIXED, _NUMBER_FRONT, _FRONT_NUMBER, _BEHIND, _CORNER, _BOX,
    _MILITARY, _FLAT, _SMALL_FLAT, _NAMED, _CUED, _BLOCK, _POST_CODE, _PLAIN,
)  # fmt: skip
_COUNTED = re.compile(
    r"\b(?:hours?|days?|weeks?|months?|years?|minutes?|seconds?|points?|marks?|lines?"
    r"|files?|steps?|times|ways?"
    r"|tests?|bits?|bytes?|people|students?|items?|pages?|questions?|examples?|of|a|in|for"
    r"|is|are|on)\b"
)
_NUMBERED = re.compile(
    r"(?:problem|question|exercise|task|part|lab|hw|homework|chapter|section|week|lecture"
    r"|step|level|version)s? ?\Z",
    re.I,
)


def find_addresses(text: str, prose: Prose) -> Iterator[Find]:
    """Yield postal addresses as far as they can be followed, the longest first."""
    finds = [
        _find(match, "place" if "place" in match.re.groupindex else 0)
        for match in _matches(text)
        if prose(match.start()) and _is_address(text, match)
    ]
    yield from sorted(finds, key=lambda find: find.start - find.end)


def _matches(text: str) -> Iterator[re.Match[str]]:
    if not _DIGIT.search(text):
        if holds(text, _WORDS[_NAMED]):
            yield from _NAMED.finditer(text)
        return
    lower = text.lower()
    numbers = numbers_in(text)
    words = words_before(text, numbers)
    for pattern in _PATTERNS:
        if pattern in _AT_NUMBERS:
            yield from matches_at(pattern, text, numbers)
        elif _may_match(pattern, text, lower, words):
            yield from pattern.finditer(text)


def _may_match(pattern: re.Pattern[str], text: str, lower: str, words: set[str]) -> bool:
    """Tell whether what a pattern needs is there; `words` are those that numbers follow."""
    if pattern is _SUFFIXED:
        return any(word.endswith(_SUFFIXES) for word in words)
    if pattern is _BEHIND:
        return not _BEHIND_WORDS.isdisjoint(words)
    if pattern is _FRONT_NUMBER:
        known = any(word[:1].isupper() or word in _JOINS for word in words)
        return known and holds(lower, _FRONT_WORDS)
    return holds(lower if pattern.flags & re.I else text, _WORDS[pattern])


def _is_address(text: str, match: re.Match[str]) -> bool:
    """Tell an address from `5 lines of code`, `Test Suite 2` and `Exercise 3 Elm Street`."""
    if match.re is _PLAIN and _COUNTED.search(match[0]):
        return False
    if match.re is _CUED and _COUNTED.search(match["place"]):
        return False
    if match.re is _FLAT and not _NUMBER_FIRST.search(match[0]):
        return False
    return not _NUMBERED.search(text, max(0, match.start() - 12), match.start())


def _find(match: re.Match[str], group: int | str) -> Find:
    start = match.start(group)
    return Find(start, start + len(match.group(group).rstrip(" \n,.?!")), "ADDRESS")
