"""What nobody listed, found by the words around it: usernames, numbers, dates of birth."""

import re
from collections.abc import Iterator

from agent.privacy.redaction.gates import holds
from agent.privacy.redaction.spans import Find, PiiType
from agent.privacy.redaction.words import SHARED_ACCOUNTS

_HOME = re.compile(
    r"(?:/home/|/Users/|\b[A-Za-z]:[\\/]{1,2}(?:Users|users|Documents and Settings)[\\/]{1,2})"
    r"(?P<value>[\w.][\w.-]{1,40})(?=[\\/\s\"':;,)>\]]|$)"
)
_PROFILE = re.compile(

        r"(?:\blinkedin\.com/in/|\bmy (?:own )?(?:\w{1,20} )?(?:repo(?:sitory)?|github|gitlab"
        r"|code|project"
    r"|fork|profile|page|account|site|portfolio)[^\n]{0,25}?(?:https?://)?(?:www\.)?"
    r"(?:github\.com|gitlab\.com|bitbucket\.org|x\.com|twitter\.com|instagram\.com|facebook\.com"
    r"|replit\.com|t\.me|kaggle\.com)/@?)(?P<value>\w[\w.-]{1,40})", re.I
)  # fmt: skip
_HANDLE = re.compile(

        r"\bmy (?:\w{1,20} )?(?:user ?name|user ?id|login|handle|discord|insta(?:gram)?|twitter"
        r"|telegram|slack"

        r"|snap(?:chat)?|github|gitlab|tiktok|net ?id|skype|steam)(?: (?:user ?name|handle|name"
        r"|account|id"

        r"|tag))?(?: is|:|'s| =) ?(?P<value>(?:[\"'`@]{1,2}\w[\w.-]{0,38}\w"
        r"|(?=\w{0,30}[\d_.])[a-z]\w{0,38}[\w.-]{0,9}\w"
        r"|[a-z]\w{1,30}(?=\#\d{4}))(?:\#\d{4})?)(?![(])",
    re.I,
)  # fmt: skip
_STUDENT_ID = re.compile(
    r"\b(?:student|matric(?:ulation)?|enroll?ment|registration|roll|candidate|university|uni|campus)"

        r"[ _-]?(?:id|no|nr|num(?:ber)?|\#)?\.?[\"']?(?: (?:id|no|number))?(?: is"
        r"|'s)?\s{0,2}[:=\#]?\s{0,2}"
    r"[\"']?(?P<value>[A-Z]{0,2}-?\d{5,10})\b", re.I
)  # fmt: skip
_DOCUMENT = re.compile(

        r"\b(?:driver'?s? ?licen[cs]e|driving licen[cs]e|passport|national (?:id|insurance)"
        r"|identity card"
    r"|id card|nhs|tax (?:id|number)|medicare|personnummer|aadhaa?r)[^\n\d]{0,24}?\b"
    r"(?-i:(?P<value>(?=[A-Z -]{0,6}\d)[A-Z0-9](?:[ -]?[A-Z0-9]){5,16}|[a-z]\d{5,15}))\b", re.I
)  # fmt: skip
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DATE = (
    rf"(?:\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th)?[ -](?:of )?{_MONTH}\.?,?"
    rf"[ -]\d{{2,4}}|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}})"
)
_BORN = re.compile(
    r"\b(?:born(?: on| in|:)?(?: the)?|date of birth|d\.?o\.?b\.?|birth ?(?:day|date))[\"']?"
    rf"(?: is| was|:|=)?(?: on)?(?: the)?\s{{0,3}}[\"']?(?P<value>{_DATE})\b", re.I
)  # fmt: skip
_CUED: tuple[tuple[re.Pattern[str], PiiType, tuple[str, ...]], ...] = (
    (_HOME, "USERNAME", ("/home/", "users/", "users\\", "documents and settings")),
    (_PROFILE, "USERNAME", (".com/", ".org/", "t.me/")),
    (
        _HANDLE,
        "USERNAME",
        (
            "user", "login", "handle", "discord", "insta", "twitter", "telegram", "slack", "snap",
            "github", "gitlab", "tiktok", "netid", "net id", "skype", "steam",
        ),
    ),
    (
        _STUDENT_ID,
        "STUDENT_ID",
        ("student", "matric", "enro", "registr", "roll", "cand", "uni", "campus"),
    ),
    (
        _DOCUMENT,
        "ID_NUMBER",
        ("driv", "passport", "national i", "card", "nhs", "tax ", "medicare", "personn", "aadha"),
    ),
    (_BORN, "DATE_OF_BIRTH", ("born", "birth", "dob", "do.b", "d.ob", "d.o.b")),
)  # fmt: skip
"""Each with words of which one has to be in the text: looking for them is quicker."""
_NEEDS = {
    _HANDLE: re.compile("[Mm][Yy] "),
    _STUDENT_ID: re.compile(r"\d{5}"),
    _DOCUMENT: re.compile(r"\d"),
    _BORN: re.compile(r"\d"),
}
"""What has to be in the text besides."""


def find_cued(text: str) -> Iterator[Find]:
    """Yield usernames, numbers and dates that their surroundings name."""
    lower = text.lower()
    for pattern, kind, words in _CUED:
        if not holds(lower, words) or (pattern in _NEEDS and not _NEEDS[pattern].search(text)):
            continue
        for match in pattern.finditer(text):
            value = match["value"]
            bare = value.lstrip("\"'`@")
            if kind != "USERNAME" or bare.lower() not in SHARED_ACCOUNTS:
                yield Find(match.end("value") - len(bare), match.end("value"), kind)
