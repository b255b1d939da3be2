"""What a brief asks for: its requirements, in its own words and order.

It knows checkboxes, lists, question headings, rubrics, route tables and sentences that ask for
something. It does not know how long anything takes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.offline.reading.exclusions import is_ban
from agent.models.offline.reading.outline import Item, cells
from agent.models.offline.reading.words import clean, cut, sentences, terms

MOST = 60
_PROSE_MOST = 14
_LONGEST = 400
_SHORTEST = 4
_LIST_INDENT = 2
_LISTED = frozenset(("bullet", "number", "checkbox"))

_VERBS = """
    accept add adjust allow analyse analyze answer apply ask assign assume attach avoid build
    calculate calibrate call change check choose classify clean click collect combine compare
    compute configure connect consider construct convert copy count create decode define
    delete demonstrate deploy derive describe design detect determine develop display document
    download draw edit enable encode ensure enter estimate evaluate examine explain explore
    export extend extract fetch figure fill filter find fit fix gather generate give group
    handle hash have help hide highlight identify implement import improve include initialize
    insert install interpret investigate keep limit link list load log make manage map measure
    merge model modify monitor move notify obtain open optimise optimize output parse pass
    perform pick place plan play plot populate post predict prepare present prevent print
    process produce program prompt propose prove provide publish put query read receive record
    reduce refactor refer reflect register reject remove rename render reparent repeat replace
    report research reset respond restart restrict return reuse reverse review rewrite round
    run sample save scale schedule scrape search select send serve set show simulate sketch
    solve sort split start stop store style submit sum summarise summarize support swap take
    talk teach tell test track train transform translate turn update upload use validate
    verify view visualise visualize wait watch work write
"""
IMPERATIVES = frozenset(_VERBS.split())
_SKIPPED = re.compile(
    r"\b(?:links?|resources?|examples?|sample|further reading|references?|collaborat\w+|academic"
    r"|credits?|licen[cs]e|acknowledg\w+|contents|hints?|tips|faq|grading|marking|late "
    r"policy|policy"
    r"|background|learning|objectives? of|outcomes|caveats|trivia|source)\b"
)
_SETTING_UP = re.compile(
    r"\b(?:set-?\s?up|install\w*|getting started|download\w*|working locally|working on"
    r"|prerequisites"
    r"|environment|option [a-e]|google colab|before you start|starter)\b"
)
_HANDING_IN = re.compile(
    r"\b(?:submi\w+|deliver\w*|hand(?:ing)?[- ]?in|turn(?:ing)?[- ]?in|abgabe|entrega|rendu)\b"
)
_BONUS = re.compile(
    r"\b(?:bonus|extra credit|optional\w*|stretch|nice[- ]to[- ]have|advanced)\b", re.I
)
_EXTRA = re.compile(r"[*( ]{0,3}(?:optional\w*|bonus|for (?:added|extra) \w+)", re.I)
_EXAMPLES = re.compile(
    r"\b(?:examples?|e\.g\.|for instance|such as|learn|you should know|links?|pages to look at)\b",
    re.I,
)
_DATA_INTRO = re.compile(
    r"^(?:currently|for reference|at the moment)\b"
    r"|\b(?:(?:statements?|facts?|clues?|premises)\b.{0,40}:$|known to be true)",
    re.I,
)
"""What introduces a list of facts to work with, not of things to do."""
_DATA_ITEM = re.compile(
    r"^(?:-?\d[\d.,]* \w+\s?[:=]\s?)?[\"\u201c'][^\"\u201d']{0,24}[\"\u201d']"
    r"(?:,| (?:is|are|has|have|was|costs?|counts?|means|becomes)\b|\s?(?:[:=]|->|=>|\u2192)|$)"
    r"|^etc\W*$",
    re.I,
)
_DETAILED = re.compile(
    r"\b(?:including|with the following \w+|such as|fields|attributes|columns|properties|keys"
    r"|such that|operations)\s?:$",
    re.I,
)
_QUESTION = re.compile(
    r"^(?:\(?(?:bonus|optional|extra credit)\)?:?\s+)?(?:question|problem|exercise|task"
    r"|part|aufgabe"
    r"|step|q)\s*\.?\s?(\d{1,2}|[IVX]{1,4}|[A-H])\s?\.?([a-z]{0,4})\b[\s:.)(-]*(.*)$",
    re.I,
)
_METHOD = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE)$")
_PATH = re.compile(r"^/[\w/{}:<>.-]*$")
_ASKING = re.compile(
    r"\b(?:your (?:task|job|goal|program|solution|code|team) (?:is|should|must|will|needs?)"
    r"|you (?:will|should|must|need to|have to|are to|are asked|are required)"
    r"|(?:must|should|shall|needs? to|has to|have to|is required|are required|is able to)\b"
    r"|the (?:goal|aim|objective|task) (?:is|of this \w+ is)"
    r"|(?:program|application|app|tool|system) (?:will|can|that|which)|the user (?:enters?|can|may)"
    r"|an? (?:app|application|program|utility|tool|script|website)\b"
    r"|muss|müssen|soll(?:en)?|schreib\w*|implementier\w*|erstell\w*|debe\w*|implementa\w*|crea\w*"
    r"|devez|doit|écri\w*|cré\w*|deve\w*|escreva|implemente|crie)",
    re.I,
)
_NOT_ASKING = re.compile(
    r"\b(?:you should (?:feel|be able|see|watch|read|know|now|also watch|get|have)|you "
    r"will (?:learn|see"
    r"|find|be able|be introduced|have|notice|be given)|you are given|you will want to "
    r"read|feel free"
    r"|please (?:note|make sure|read)|click here|see below|don't worry|office hours|good luck"
    r"|congratulations|you need to have|you may want|should look like|familiarize|no "
    r"answer required"
    r"|run (?:this|the) (?:cell|below)|just run|do not insert|walk you through|developed "
    r"a shorthand"
    r"|so (?:that )?you can (?:read|see) (?:it|them)|no code is required"
    r"|use this space|(?:write|type|put) your \w+(?: \w+)? (?:here|below)"
    r"|this means|a benefit of|there are several ways|excellent way)\b"
    r"|^(?:for example|in (?:this|the) example|hint\b|note\b|see |check the test)|into this:$",
    re.I,
)
_MAY_FORBID = re.compile(r"\bno\b|not\b|n['\u2019]t\b|never|forbidden|prohibited|banned", re.I)
_OPENING = re.compile(
    r"^(?:(?:please|then|now|next|also|finally),? "
    r"|(?:in|for|on) (?:the|this) (?:cells?|space|code|next|following|question"
    r"|part|exercise|problem)"
    r"\b[^,.:]{0,40}, ){1,3}",
    re.I,
)
"""Words before an order that tell nothing of it."""
_LEAD = re.compile(
    r"^(?:(?:also|then|next|finally|first|now|please|additionally|optionally),? "
    r"|(?:in|for|on|after|once|given|using|from|with|to|as) [^,.:]{2,60}, (?=[a-z]))",
    re.I,
)
_TITLE_DASH = re.compile(r"^[^.!?-]{3,60}(?:\([^)]{1,60}\) )?[-\u2013]\s+(?=[A-Z(*])")
_TRAILING = re.compile(r"\s*(?:\(?\d{1,3} (?:points?|pts|marks)\)?|\(graded\)|:)\s*$", re.I)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a brief asks for."""

    text: str
    section: str = ""
    """What it is grouped under: its heading, or the number of its question."""
    is_bonus: bool = False


def is_skipped(item: Item) -> bool:
    """Say whether an item stands in a part that asks for nothing, such as links or policies."""
    return bool(_SKIPPED.search(item.trail))


def is_handing_in(item: Item) -> bool:
    """Say whether an item stands in a part on what to hand in."""
    return bool(_HANDING_IN.search(item.trail))


def find_requirements(items: Sequence[Item]) -> list[Requirement]:
    """Return what a brief asks for, by the surest signs it has, and what it forbids."""
    usable = [
        item
        for item in items
        if not (is_skipped(item) or _SETTING_UP.search(item.trail) or is_handing_in(item))
    ]
    return _distinct([*_asked(items, usable), *_forbidden(usable)])


def _asked(items: Sequence[Item], usable: Sequence[Item]) -> list[Requirement]:
    boxes = _from_boxes(usable)
    if len(boxes) > 1:
        return _distinct(boxes)
    questions = _from_questions(items)
    if len(questions) > 1:
        return _distinct(questions)
    found = [*_from_tables(usable), *_from_lists(usable)]
    if len(found) < _SHORTEST:
        prose = _from_prose(usable)
        found = [*prose, *found] if len(found) < len(prose) else found
    if distinct := _distinct(found) or _distinct(_from_rubric(items)):
        return distinct
    return [] if _forbidden(usable) else _distinct(_any_sentence(usable))


def _forbidden(items: Sequence[Item]) -> list[Requirement]:
    """Read the sentences that forbid the use of a thing."""
    return [
        Requirement(cut(sentence, _LONGEST), item.heading)
        for item in items
        if item.kind == "paragraph" and _MAY_FORBID.search(item.text)
        for sentence in sentences(item.text)
        if is_ban(sentence)
    ][:_PROSE_MOST]


def rubric_criteria(items: Sequence[Item]) -> list[str]:
    """Return what a rubric's best column asks, one criterion a row."""
    return [
        cut(f"{row[0]}: {row[1]}", _LONGEST)
        for row in _rubric(items)
        if len(row) > 1 and row[1] and row[1] != row[0]
    ]


def starts_with_order(sentence: str) -> bool:
    """Say whether a sentence begins with a verb that tells what to do."""
    first = re.match(r"[^\w`]{0,4}([A-Za-z]+)", without_lead(sentence))
    return bool(first and first[1].lower() in IMPERATIVES)


def without_lead(sentence: str) -> str:
    """Take off an opening such as `Also` or `For added complexity,`, and the title of an idea."""
    rest = _TITLE_DASH.sub("", sentence)
    while (lead := _LEAD.match(rest)) and rest[lead.end() :]:
        rest = rest[lead.end() :]
    return rest


def _requirement(item: Item) -> Requirement:
    is_bonus = bool(_BONUS.search(item.trail) or _EXTRA.match(item.text))
    return Requirement(cut(item.text, _LONGEST), item.heading, is_bonus)


def _distinct(found: Sequence[Requirement]) -> list[Requirement]:
    seen: dict[str, Requirement] = {}
    for requirement in found:
        key = requirement.text.lower().strip(" .")
        if terms(key) and key not in seen:
            seen[key] = requirement
    return list(seen.values())[:MOST]


def _extended(requirement: Requirement, detail: str) -> Requirement:
    joint = " " if requirement.text.endswith(":") else "; "
    text = cut(f"{requirement.text}{joint}{detail.rstrip(',;')}", _LONGEST)
    return Requirement(text, requirement.section, requirement.is_bonus)


def _from_boxes(items: Sequence[Item]) -> list[Requirement]:
    """Read checkboxes; the bullets below one that ends in a colon are part of it."""
    found: list[Requirement] = []
    takes_details = False
    for item in items:
        if item.kind == "checkbox":
            found.append(_requirement(item))
            takes_details = item.text.endswith(":")
        elif item.kind in {"bullet", "number"} and takes_details and item.indent:
            found[-1] = _extended(found[-1], item.text)
        else:
            takes_details = False
    return found


def _from_questions(items: Sequence[Item]) -> list[Requirement]:
    """Read `Question 1a` headings, each with the first thing asked below it."""
    found: list[Requirement] = []
    for index, item in enumerate(items):
        question = _QUESTION.match(item.text) if item.kind == "heading" else None
        if question is None:
            continue
        number, letter, rest = question.groups()
        named = _TRAILING.sub("", clean(rest)).strip("()")
        if len(named) == 1:
            letter, named = named, ""
        below = _first_order(items[index + 1 : index + 6])
        if says := ": ".join(part for part in (named, below) if part):
            text = cut(f"Question {number}{letter}: {says}", _LONGEST)
            is_bonus = bool(_BONUS.search(f"{item.trail} {item.text}"))
            found.append(Requirement(text, f"Question {number}", is_bonus))
    has_parts = {one.section for one in found if not one.text.startswith(f"{one.section}:")}
    return [
        one
        for one in found
        if one.section not in has_parts or not one.text.startswith(f"{one.section}:")
    ]


def _first_order(items: Sequence[Item]) -> str:
    """Return the first sentence below a heading that orders, else asks, else requires."""
    below: list[str] = []
    for item in items:
        if item.kind == "heading":
            break
        if item.kind in {"paragraph", "bullet", "number"}:
            below += sentences(item.text)
    wanted = [said for said in below if not _NOT_ASKING.search(said) and len(terms(said)) > 1]
    orders = [said for said in wanted if starts_with_order(said)]
    questions = [said for said in wanted if said.endswith("?")]
    asking = [said for said in wanted if _asks(said)]
    found = next(iter(orders or questions or asking or wanted), "")
    short = _OPENING.sub("", found)
    return f"{short[:1].upper()}{short[1:]}"


def _asks(sentence: str) -> bool:
    asking = starts_with_order(sentence) or _ASKING.search(sentence)
    return bool(asking) and not _NOT_ASKING.search(sentence) and len(terms(sentence)) > 1


def _from_tables(items: Sequence[Item]) -> list[Requirement]:
    """Read tables of routes: a method, a path and what they are for."""
    found = []
    for item in items:
        row = [cell.strip("`") for cell in cells(item.text)] if item.kind == "row" else []
        method = next((cell for cell in row if _METHOD.match(cell)), "")
        path = next((cell for cell in row if _PATH.match(cell)), "")
        if method and path:
            words = next((cell for cell in row if cell not in (method, path) and " " in cell), "")
            found.append(
                Requirement(f"Provide {method} {path}: {words}".rstrip(": "), item.heading)
            )
    return found


def _rubric(items: Sequence[Item]) -> list[list[str]]:
    rows = [cells(item.text) for item in items if item.kind == "row" and "rubric" in item.trail]
    return [row for row in rows[1:] if row and len(row[0]) > _SHORTEST]


def _from_rubric(items: Sequence[Item]) -> list[Requirement]:
    return [Requirement(row[0], "Rubric") for row in _rubric(items)]


def _from_lists(items: Sequence[Item]) -> list[Requirement]:
    """Read bullets; those below an order that ends in `including:` are its details."""
    found: list[Requirement] = []
    intro, has_details, is_data = "", False, False
    for item in items:
        if item.kind in {"paragraph", "heading"}:
            is_data = bool(_DATA_INTRO.search(item.text))
            intro = item.text if item.text.endswith(":") else ""
            has_details = bool(_DETAILED.search(intro)) and _asks(sentences(intro)[-1])
            if has_details:
                found.append(Requirement(sentences(intro)[-1], item.heading))
        elif item.kind not in _LISTED or _is_no_work(item.text, is_data=is_data):
            continue
        elif found and (item.indent >= _LIST_INDENT or has_details):
            found[-1] = _extended(found[-1], item.text)
        elif not (_EXAMPLES.search(intro) or _NOT_ASKING.search(item.text)):
            found.append(_requirement(item))
    return [one for one in found if len(terms(one.text)) > 1 or starts_with_order(one.text)]


def _is_no_work(text: str, *, is_data: bool) -> bool:
    """Say whether a list item is too short, or data to work with and no order."""
    is_fact = is_data and not _asks(text)
    return len(text) < _SHORTEST or is_fact or bool(_DATA_ITEM.match(text))


def _from_prose(items: Sequence[Item]) -> list[Requirement]:
    found: list[Requirement] = []
    for item in items:
        for sentence in sentences(item.text) if item.kind == "paragraph" else ():
            if _asks(sentence):
                is_bonus = bool(_BONUS.search(item.trail) or _EXTRA.match(sentence))
                text = cut(_TITLE_DASH.sub("", sentence).strip("*_ "), _LONGEST)
                found.append(Requirement(text, item.heading, is_bonus))
    return found[:_PROSE_MOST]


def _any_sentence(items: Sequence[Item]) -> list[Requirement]:
    texts = [item.text for item in items if item.kind in {"paragraph", "bullet", "number"}]
    found = [sentence for text in texts for sentence in sentences(text) if terms(sentence)]
    return [Requirement(cut(_TITLE_DASH.sub("", said), _LONGEST)) for said in found[:_SHORTEST]]
