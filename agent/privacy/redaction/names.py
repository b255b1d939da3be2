"""Names that no record lists, found by the words around them.

An honorific, a header's label or a commit's trailer is believed everywhere; a verb, a role or a
greeting in prose alone. There is no list of names to look for: what is found does not depend on
where a name comes from.
"""

import re
from collections.abc import Iterable, Iterator

from agent.privacy.redaction.openings import (
    CAP,
    PARTICLE,
    UPPER,
    Anywhere,
    CueFirst,
    Finder,
    NameFirst,
    Rule,
)
from agent.privacy.redaction.patterns import Prose
from agent.privacy.redaction.spans import Find
from agent.privacy.redaction.words import (
    AMBIGUOUS,
    CODE_WORDS,
    EPONYM,
    NEVER_NAMES,
    PUBLIC_FIGURES,
)

_NEXT = rf"(?: (?:{PARTICLE} ){{0,2}}{CAP}| [{UPPER}]\.?(?= [{UPPER}]))"
_NAME = rf"(?P<name>{CAP}{_NEXT}{{0,3}})"
_FULL = rf"(?P<name>{CAP}{_NEXT}{{1,3}})"
_ONE = rf"(?P<name>{CAP})"
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

# The last words that the cues above can have: before any other word they are not tried.
_ROLE_LAST = (
    "partner|teammate|classmate|roommate|flatmate|housemate|mate|friend|buddy|brother|sister"
    "|cousin|colleague|coworker|worker|husband|wife|boyfriend|girlfriend|son|daughter|uncle|aunt"
    "|nephew|niece|neighbor|neighbour|supervisor|advisor|adviser|tutor|mentor|lecturer|instructor"
    "|professor|teacher|ta|prof|grader|examiner|marker|boss|landlord|therapist|doctor|coach"
    "|guardian|assistant|to|student|songwriter|singer|author|artist|actor|actress|player|director"
    "|writer|commenter|manager|engineer|founder|officer|nurse"
)
_ROLE_LAST += "|" + _ROLE_LAST.replace("|", "s|") + "s|is|was|called|named|name"
_WITH_LAST = (
    "and|asked|told|tell|ask|emailed|texted|met|with|to|from|of|cc|said|heard|under|my|name|add"
)
_LABEL_LAST = (
    "author|authors|student|students|name|by|maintainer|instructor|professor|lecturer|tutor"
    "|partner|partners|member|members|contact|person"
)


_FINDER = Finder(rf",? (?:{_SPOKE_ALONE}|{_OWNED}|can|could|would|will|who|keeps|already|from)")
_BEFORE = r"(?:^|(?<=[\s\"(,.]))"
_OPENS = r"(?:^|(?<=\n)|(?<=[.!?] ))"
_EVERYWHERE: tuple[Rule, ...] = (
    CueFirst(
        "mr|mrs|ms|miss|mx|dr|prof|professor",
        rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|mr|mrs|ms|dr|prof)(?:\.? |\.){_NAME}",
    ),
    CueFirst(
        _LABEL_LAST,
        rf"(?:^|\n)[ \t]{{0,8}}(?:[#*/;%-]{{1,3}}[ \t]{{0,4}}|\"{{3}}"
        rf"|'{{3}})(?i:[@\\]?{_LABEL}) ?[:=]"
        rf" {{0,4}}{_NAME}{_LABEL_END}",
        line=True,
    ),
    CueFirst(
        "author|by|__author__",
        r"(?:^|\n)[ \t]{0,8}(?i:author|signed-off-by|co-authored-by|reviewed-by|reported-by"
        rf"|submitted by|__author__) ?[:=] {{0,4}}[\"']?{_NAME}{_LABEL_END}",
        line=True,
    ),
    CueFirst(
        "by",
        r"(?:^|\n)[ \t]{0,8}(?:[#*/;%-]{1,3}[ \t]{0,4}|\"{3}|'{3})"
        rf"(?i:written|coded|programmed|made|submitted|prepared|implemented|done) (?i:by) {_FULL}",
        line=True,
    ),
    Anywhere("@author", rf"@author:?\s{{1,8}}{_NAME}"),
    Anywhere("@", rf"{_FULL} ?<[\w.+-]{{1,64}}@[\w.-]{{3,80}}>"),
)
_INTRODUCED: tuple[Rule, ...] = (
    CueFirst(
        "name|is|s|names|m|im|am|me|him|her|them|as|to",
        r"\b(?i:my (?:full |first |last |real |maiden )?name(?: is|'s)|name is|name'?s|i'?m"
        r"|i am|this is"
        r"|calls? me|called me|named (?:him|her|them|my \w{1,12})|known as|leave me"
        rf"|(?:change|correct) (?:it|my name) to) {_NAME}{_AFTER}",
        phrase="named my ",
    ),
    CueFirst("name", rf"\b(?i:what'?s (?:your|his|her) name)\? {_NAME}"),
    CueFirst(
        _LABEL_LAST,
        rf"(?:^|\n)[ \t>?]{{0,5}}(?i:{_LABEL}): {{0,4}}{_NAME}{_LABEL_END}",
        line=True,
    ),
    CueFirst(
        _ROLE_LAST,
        rf"\b(?i:{_ROLE})(?:,| is| was| called| named|:|'s name(?: is)?)? {_NAME}",
    ),
    CueFirst(
        "hi|hello|hey|dear|morning|afternoon|evening",
        r"(?:^|\n)[ \t]{0,4}(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening))"
        rf" {_NAME}(?=\s?[,!\n]|\Z)",
        line=True,
    ),
    CueFirst(
        "thank|thanks|you|again|advance|much|lot|thx|regards|cheers|sincerely|yours|truly|best"
        "|wishes|greetings",
        r"\b(?i:thanks?(?: you| again| in advance| so much| a lot)?|thx|(?:kind |best "
        r"|warm )?regards|cheers"
        r"|sincerely|yours(?: truly)?|best(?: wishes)?|greetings"
        r"|sent from my \w{1,12})[ \t]{0,2}[,.!-]{0,3}"
        rf"(?:[ \t]{{1,2}}|[ \t]{{0,2}}\n[ \t\n]{{0,4}}[-~]{{0,2}} ?){_NAME}(?=[ \t]{{0,4}}"
        r"(?:\n|\Z|[.,!]))",
        phrase="sent from my ",
    ),
)
_SUGGESTED: tuple[Rule, ...] = (
    NameFirst(rf"{_BEFORE}{_FULL} {_SPOKE}\b", full=True),
    NameFirst(
        rf"{_BEFORE}{_FULL}, (?:the|our|my|a) [^,\n]{{3,30}}, {_SPOKE}\b",
        full=True,
        words=", the |, our |, my |, a ",
    ),
    NameFirst(rf"{_BEFORE}{_ONE} {_SPOKE_ALONE}\b", single=True),
    NameFirst(rf"{_OPENS}{_ONE}, (?:can|could|would|will) (?:you|I|we)\b", single=True),
    NameFirst(rf"{_BEFORE}{_NAME}'s? {_OWNED}\b", full=True, single=True),
    CueFirst(_WITH_LAST, rf"\b(?i:{_WITH}) {_FULL}", phrase="under my "),
    CueFirst(
        _WITH_LAST,
        rf"\b(?i:{_WITH}) {_ONE}(?= (?:and|to|about|if|for|whether|that|on|yesterday|today"
        r"|but|he|she|are|is|was|were|have|has|had|got|both)\b"
        r"|[,.!?\n]|\Z)",
        phrase="under my ",
    ),
    CueFirst("by", rf"\b{_DONE} by {_FULL}"),
    CueFirst("starring", rf"\bstarring {_NAME}"),
    CueFirst("by|if|than", rf"\b(?:by|if|than) {_FULL}(?=[\s,.!?')]|\Z)"),
    NameFirst(
        rf"{_BEFORE}{_ONE}(?:, who\b| (?:keeps|already|from (?:section|group|class|lab"
        r"|my|our|the (?:other|same))))",
        single=True,
    ),
    CueFirst(
        "called|or",
        rf"\b(?:(?:he|she|they) (?:is|are) called|me or) {_ONE}(?=[,.!?\n]|\Z| and)",
    ),
    NameFirst(
        rf"{_OPENS}{_FULL}(?= and [A-Z]\S{{1,24}} [A-Z]\S{{1,24}} "
        r"(?:are|were|have|did|both)\b)",
        full=True,
        words=" and ",
    ),
    NameFirst(rf"(?<=[a-z] and ){_FULL} (?:are|were|have|did|both)\b", full=True, words=" and "),
    # A middle initial: nothing but a person is written so.
    NameFirst(
        rf"{_BEFORE}(?P<name>{CAP} [{UPPER}]\.? {CAP})(?=[\s,.;:!?)\"']|\Z)",
        full=True,
    ),
)
_TYPED_SMALL = Anywhere(
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
    openings = _FINDER.openings(text)
    # Without a capital there is but one rule to try.
    introduced = (*_INTRODUCED, _TYPED_SMALL) if openings.every else (_TYPED_SMALL,)
    for rule in _EVERYWHERE if openings.every else ():
        for match in rule.matches(text, lower, openings):
            yield from _names(text, match, CODE_WORDS)
    for rule in introduced:
        for match in rule.matches(text, lower, openings):
            if prose(match.start("name")):
                yield from _names(text, match, CODE_WORDS, listed=True)
    for rule in _SUGGESTED if openings.every else ():
        for match in rule.matches(text, lower, openings):
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
