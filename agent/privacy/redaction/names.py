"""Names that no record lists, found by the words around them.

An honorific, a header's label or a commit's trailer is believed everywhere; a verb, a role or a
greeting in prose alone. There is no list of names to look for: what is found does not depend on
where a name comes from.
"""

import re
from collections.abc import Iterable, Iterator

from agent.privacy.redaction.patterns import Prose
from agent.privacy.redaction.spans import Find
from agent.privacy.redaction.words import (
    AMBIGUOUS,
    CODE_WORDS,
    EPONYM,
    NEVER_NAMES,
    PUBLIC_FIGURES,
)

# Latin, Greek and Cyrillic capitals and small letters.
_UPPER, _LOWER = "A-Z\u0391-\u03a9\u0410-\u042f", "a-z\u03b1-\u03c9\u0430-\u044f"
_CAP = (
    rf"(?:(?:[OD]'|Mc|Mac|[Aa]l-|El-|Le|De|Da|Di|La|Ja|Ke|Ty|Van|Fitz)?[{_UPPER}][{_LOWER}]{{1,24}}(?:[-'][{_UPPER}"
    rf"{_LOWER}][{_LOWER}]{{1,24}})?)"
)
_PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|du|la|le|bin|ibn|al|el|ter|ten)"
_NEXT = rf"(?: (?:{_PARTICLE} ){{0,2}}{_CAP}| [{_UPPER}]\.?(?= [{_UPPER}]))"
_NAME = rf"(?P<name>{_CAP}{_NEXT}{{0,3}})"
_FULL = rf"(?P<name>{_CAP}{_NEXT}{{1,3}})"
_ONE = rf"(?P<name>{_CAP})"
_AFTER = r"(?=[,.!?;:)\n\"']|\Z| (?:and|but|from|here|in|speaking|with|by the way|btw)\b)"

_ROLE = (
    r"(?:partner|team ?mate|class ?mate|room ?mate|flat ?mate|house ?mate|friend|buddy"
    r"|brother|sister"
    r"|cousin|colleague|co-?worker|husband|wife|boyfriend|girlfriend|son|daughter|uncle|aunt|nephew"
    r"|niece|neighbou?r|supervisor|advis[eo]r|tutor|mentor|lecturer|instructor|professor|teacher|ta"
    r"|prof|grader|examiner|marker|boss|landlord|therapist|doctor|coach|guardian|assistant(?: to)?"
    r"|student|songwriter|singer|author|artist|actor|actress|player|director|writer"
    r"|commenter|manager"
    r"|engineer|founder|officer|nurse)s?"
)
_SPOKE = (
    r"(?:said|says|told|tells|asked|asks|wrote|writes|shared|sent|gave|lent|explained|suggested"
    r"|mentioned|claims|claimed|thinks|thought|copied|helped|helps|showed|insists|promised"
    r"|complained"
    r"|admitted|lives|lived|works|worked|called|emailed|texted|invited|borrowed|finished|submitted"
    r"|pushed|committed|did|forgot|stole|and I|and me|is my|was my|is from|is a very|listed"
    r"|points out"
    r"|already|keeps|refuses|wants|wanted|left|joined|has been|spent)"
)
_SPOKE_ALONE = (
    r"(?:and I|and me|told (?:me|us)|said (?:that|it|the|we|I)|asked (?:me|us|if)|sent me"
    r"|gave me|lent me"
    r"|helped me|lives (?:on|at|in|with)|shared (?:his|her|their)|wrote (?:his|her|their)|spent a"
    r"|copied (?:my|his|her|their)|did (?:his|her|their)|is my|was my|emailed me|texted me"
    r"|showed me)"
)
_OWNED = (
    r"(?:address|phone|e-?mail|number|birthday|house|flat|account|laptop|computer|mother"
    r"|father|mom|mum"
    r"|dad|sister|brother|parents|name|code|part|half|solution|submission|branch|repo|notes"
    r"|homework"
    r"|killers?)"
)
_WITH = (
    r"(?:me and|I and|asked|told|tell|ask|emailed|texted|met|paired with|partnered with"
    r"|teamed up with"
    r"|(?:follow(?:ed)?|following) up with|(?:spoke|speak|talk|talked|talking) (?:to|with)"
    r"|(?:work|worked|working|study|studied|studying) with|(?:sits?|group|team"
    r"|pair) (?:next to|with)"
    r"|copied from|cheated from|belongs to|on behalf of|cc|said|heard from|have you heard"
    r"|under (?:my (?:\w{1,12} )?)?(?:name )?|we need to add|verses from)"
)
_DONE = (
    r"(?:sung|written|directed|arranged|composed|performed|coded|submitted|prepared|graded|marked"
    r"|recommended|taught|supervised|reviewed|reported)"
)
_LABEL = (
    r"(?:authors?|student(?: name)?|(?:full |first |last |user |maiden )?name|(?:submitted|prepared"
    r"|written|coded|programmed|reviewed|graded|authored|made|created) by|signed-off-by"
    r"|co-authored-by"
    r"|reviewed-by|reported-by|maintainer|instructor|professor|lecturer|tutor|partners?"
    r"|group members?"
    r"|members?|contact(?: person)?)"
)
_LABEL_END = r"(?= ?(?:[<,(|;]|\"|'|\*/|[ .]*(?:\n|\Z)| and ))"

_ROLE_WORDS = (
    "mate|partner|friend|buddy|brother|sister|cousin|colleague|worker|husband|wife|son "
    "|daughter|uncle"
    "|aunt|nephew|niece|neighb|advis|tor |tors |tor:|tor,|lecturer|teacher|ta |ta,|tas "
    "|prof|er |er,|er:"
    "|ers |ers:|boss|landlord|therapist|coach|guardian|assistant|student|artist|actress|nurse"
)
_SPOKE_WORDS = (
    " sa| tell| told| ask| wr| sh| sent| gave| lent| exp| sugg| ment| cla| th| cop| help"
    "| ins| pro| com"
    "| adm| liv| wor| call| ema| tex| inv| bor| fin| sub| pus| did| for| sto| and i| and me"
    "| is | was "
    "| has | lis| points| alr| keeps| ref| want| left| joi| spent"
)
_WITH_WORDS = (
    "me and|i and|ask|told|tell|mailed|texted|met |with |spo|talk|from |to |of |cc |said|heard"
    "|under|add"
)


class _Rule:
    """A pattern, and words of which one has to be in the text: looking for them is quicker."""

    def __init__(self, words: str, pattern: str) -> None:
        self._words = words.split("|")
        self._pattern = re.compile(pattern)

    def matches(self, text: str, lower: str) -> Iterator[re.Match[str]]:
        """Yield the matches in a text, which is given in lower case too."""
        if any(word in lower for word in self._words):
            yield from self._pattern.finditer(text)


_EVERYWHERE = (
    _Rule(
        "mr|ms|miss|mx|dr|prof",
        rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|mr|mrs|ms|dr|prof)(?:\.? |\.){_NAME}",
    ),
    _Rule(
        ":|=",
        rf"(?:^|\n)[ \t]{{0,8}}(?:[#*/;%-]{{1,3}}[ \t]{{0,4}}|\"{{3}}"
        rf"|'{{3}})(?i:[@\\]?{_LABEL}) ?[:=]"
        rf" {{0,4}}{_NAME}{_LABEL_END}",
    ),
    _Rule(
        "author|-by|submitted by",
        r"(?:^|\n)[ \t]{0,8}(?i:author|signed-off-by|co-authored-by|reviewed-by|reported-by"
        rf"|submitted by|__author__) ?[:=] {{0,4}}[\"']?{_NAME}{_LABEL_END}",
    ),
    _Rule(
        " by ",
        r"(?:^|\n)[ \t]{0,8}(?:[#*/;%-]{1,3}[ \t]{0,4}|\"{3}|'{3})"
        rf"(?i:written|coded|programmed|made|submitted|prepared|implemented|done) (?i:by) {_FULL}",
    ),
    _Rule("@author", rf"@author:?\s{{1,8}}{_NAME}"),
    _Rule("@", rf"{_FULL} ?<[\w.+-]{{1,64}}@[\w.-]{{3,80}}>"),
)
_INTRODUCED = (
    _Rule(
        "name|i'm|im |i am|this is|call|known as|leave me|correct it|change it",
        r"\b(?i:my (?:full |first |last |real |maiden )?name(?: is|'s)|name is|name'?s|i'?m"
        r"|i am|this is"
        r"|calls? me|called me|named (?:him|her|them|my \w{1,12})|known as|leave me"
        rf"|(?:change|correct) (?:it|my name) to) {_NAME}{_AFTER}",
    ),
    _Rule("name?", rf"\b(?i:what'?s (?:your|his|her) name)\? {_NAME}"),
    _Rule(":", rf"(?:^|\n)[ \t>?]{{0,5}}(?i:{_LABEL}): {{0,4}}{_NAME}{_LABEL_END}"),
    _Rule(_ROLE_WORDS, rf"\b(?i:{_ROLE})(?:,| is| was| called| named|:|'s name(?: is)?)? {_NAME}"),
    _Rule(
        "hi |hello |hey |dear |good ",
        r"(?:^|\n)[ \t]{0,4}(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening))"
        rf" {_NAME}(?=\s?[,!\n]|\Z)",
    ),
    _Rule(
        "thank|thx|regards|cheers|sincerely|yours|best|greetings|sent from",
        r"\b(?i:thanks?(?: you| again| in advance| so much| a lot)?|thx|(?:kind |best "
        r"|warm )?regards|cheers"
        r"|sincerely|yours(?: truly)?|best(?: wishes)?|greetings"
        r"|sent from my \w{1,12})[ \t]{0,2}[,.!-]{0,3}"
        rf"(?:[ \t]{{1,2}}|[ \t]{{0,2}}\n[ \t\n]{{0,4}}[-~]{{0,2}} ?){_NAME}(?=[ \t]{{0,4}}"
        r"(?:\n|\Z|[.,!]))",
    ),
)
_SUGGESTED = (
    _Rule(_SPOKE_WORDS, rf"(?:^|(?<=[\s\"(,.])){_FULL} {_SPOKE}\b"),
    _Rule(
        ", the |, our |, my |, a ",
        rf"(?:^|(?<=[\s\"(,.])){_FULL}, (?:the|our|my|a) [^,\n]{{3,30}}, {_SPOKE}\b",
    ),
    _Rule(_SPOKE_WORDS, rf"(?:^|(?<=[\s\"(,.])){_ONE} {_SPOKE_ALONE}\b"),
    _Rule(
        ", can |, could |, would |, will ",
        rf"(?:^|\n|[.!?] ){_ONE}, (?:can|could|would|will) (?:you|I|we)\b",
    ),
    _Rule("s ", rf"(?:^|(?<=[\s\"(,.])){_NAME}'s? {_OWNED}\b"),
    _Rule(_WITH_WORDS, rf"\b(?i:{_WITH}) {_FULL}"),
    _Rule(
        _WITH_WORDS,
        rf"\b(?i:{_WITH}) {_ONE}(?= (?:and|to|about|if|for|whether|that|on|yesterday|today"
        r"|but|he|she|are|is|was|were|have|has|had|got|both)\b"
        r"|[,.!?\n]|\Z)",
    ),
    _Rule("ed by |sung by |written by |taught by ", rf"\b{_DONE} by {_FULL}"),
    _Rule("starring ", rf"\bstarring {_NAME}"),
    _Rule("by |if |than ", rf"\b(?:by|if|than) {_FULL}(?=[\s,.!?')]|\Z)"),
    _Rule(
        ", who|keeps |already |from ",
        rf"(?:^|(?<=[\s\"(,.])){_ONE}(?:, who\b| (?:keeps|already|from (?:section|group|class|lab"
        r"|my|our|the (?:other|same))))",
    ),
    _Rule(
        " called | or ",
        rf"\b(?:(?:he|she|they) (?:is|are) called|me or) {_ONE}(?=[,.!?\n]|\Z| and)",
    ),
    _Rule(
        " and ",
        rf"(?:^|\n|[.!?] ){_FULL}(?= and [A-Z]\S{{1,24}} [A-Z]\S{{1,24}} "
        r"(?:are|were|have|did|both)\b)",
    ),
    _Rule(" and ", rf"\b(?<=[a-z] and ){_FULL} (?:are|were|have|did|both)\b"),
    # A middle initial: nothing but a person is written so.
    _Rule(" ", rf"(?:^|(?<=[\s\"(,.]))(?P<name>{_CAP} [{_UPPER}]\.? {_CAP})(?=[\s,.;:!?)\"']|\Z)"),
)
_TYPED_SMALL = _Rule(
    "name is",
    r"\b(?i:my (?:full )?name is) (?P<name>(?!(?:not|on|in|the|a|an|missing|wrong|never"
    r"|written|spelled"
    r"|spelt|too|very|to|at|for|also|still|displayed|shown|there|here|already|and|or|just"
    r"|so|it|that"
    r"|misspelled|misspelt|incorrect|used|used|being|supposed)\b)[a-z]{2,20}(?: (?!and\b"
    r"|but\b|from\b|in\b|i\b|im\b)[a-z]{2,20}){0,2})"
    r"(?=[,.!?\n]|\Z| (?:and|but|from|in|i|im)\b)",
)
_LISTED = re.compile(rf"(?:, (?:and )?| and | & ){_NAME}(?!')")
_LINE = re.compile(rf"[ \t?>]{{0,5}}{_FULL}[ \t]{{0,3}}")
_EPONYM_AFTER = re.compile(rf"(?:'s?)?[ \n-](?:{EPONYM})\b", re.I)
_ARTICLE = re.compile(r"\b(?:an?|the|this|each|every|any|no)\s\Z", re.I)
_WORD = re.compile(r"\S+")
_LONGEST_LIST = 6
_LINES_ABOVE = 7


def find_names(text: str, prose: Prose) -> Iterator[Find]:
    """Yield the names that the words around them give away."""
    lower = text.lower()
    for rule in _EVERYWHERE:
        for match in rule.matches(text, lower):
            yield from _names(text, match, CODE_WORDS)
    for rule in (*_INTRODUCED, _TYPED_SMALL):
        for match in rule.matches(text, lower):
            if prose(match.start("name")):
                yield from _names(text, match, CODE_WORDS, listed=True)
    for rule in _SUGGESTED:
        for match in rule.matches(text, lower):
            start = match.start("name")
            if prose(start) and not _ARTICLE.search(text, max(0, start - 6), start):
                yield from _names(text, match, AMBIGUOUS)


def find_headings(text: str, anchors: Iterable[int], prose: Prose) -> Iterator[Find]:
    """Yield names that stand alone in a line above a telephone, an address or an e-mail."""
    for anchor in anchors:
        end = text.rfind("\n", 0, anchor)
        for _ in range(_LINES_ABOVE):
            if end < 0:
                break
            start = text.rfind("\n", 0, end) + 1
            match = _LINE.fullmatch(text, start, end)
            if match is not None and prose(start):
                yield from _names(text, match, AMBIGUOUS)
            end = start - 1


def _names(
    text: str, match: re.Match[str], words: frozenset[str], *, listed: bool = False
) -> Iterator[Find]:
    """Yield the name of a match, and those that are listed after it."""
    for _ in range(_LONGEST_LIST):
        place = _trim(text, *match.span("name"), words)
        if place is None:
            return
        yield Find(*place, "PERSON")
        following = _LISTED.match(text, place[1]) if listed else None
        if following is None:
            return
        match = following


def _trim(text: str, start: int, end: int, words: frozenset[str]) -> tuple[int, int] | None:
    """Return the part of a candidate that can be a name; none, if it is only such words."""
    kept: list[re.Match[str]] = []
    for word in _WORD.finditer(text, start, end):
        bare = word[0].rstrip(".").lower()
        if bare in PUBLIC_FIGURES:
            return None
        if bare in NEVER_NAMES:
            break
        kept.append(word)
    if not kept or all(word[0].rstrip(".").lower() in words for word in kept):
        return None
    if len(kept[-1][0].rstrip(".")) == 1 or _EPONYM_AFTER.match(text, kept[-1].end()):
        return None
    return kept[0].start(), kept[-1].end()
