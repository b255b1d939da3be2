"""Requirements turned into orders: `User can see a list` becomes `Show a list`.

It knows the ways in which English briefs state what a program does. It adds nothing that the
requirement does not say.
"""

import re
from collections.abc import Sequence

from agent.models.offline.reading.exclusions import ban_of
from agent.models.offline.reading.requirements import Requirement, starts_with_order, without_lead
from agent.models.offline.reading.words import cut

LIMIT = 110
"""Characters of a task's description."""
_CLAUSE = 52
_BARE = 0.6
"""Which share of the room a clause has to fill to stand alone."""
_LONG_PHRASE = 4

_QUESTION = re.compile(r"^(Question \w{1,6}): (.+)$")
_WHO = r"^(?:the |an? )?(?P<who>[A-Za-z][\w' -]{2,48}?) "
_CAN = re.compile(
    _WHO
    + r"(?:can(?: be able to)?|may|could|(?:should|must|will|shall) be able to|(?:is|are) able to"
    r"|should|must|will|shall) (?P<what>.+)$",
    re.I,
)
_CANNOT = re.compile(
    _WHO + r"(?:cannot|can ?not|can't|(?:must|should|may) not) (?P<what>.+)$", re.I
)
_PERSON = re.compile(
    r"(?:user|player|caller|customer|visitor|student|respondent|coordinator|admin\w*|member|teacher"
    r"|guest|client|developer|person|author|owner|reader|editor)s?$",
    re.I,
)
_TASK_IS = re.compile(
    r"^(?:in this \w+,? )?(?:(?:your (?:task|job|goal)|the (?:task|goal|aim|objective)"
    r"(?: of this \w+)?) is to|you (?:will need to|will have to|will|should|must|need to|have to"
    r"|are to)(?: be able to)?(?: also)?|we (?:want|ask) you to) ",
    re.I,
)
_PROGRAM = re.compile(
    r"^(?:the|your|this) (?P<what>program|app|application|tool|system|script|website"
    r"|service|solution"
    r"|function|game|code) (?:should|must|will|shall|needs to|has to)(?: be able to)?(?: "
    r"then)? (?P<does>.+)$",
    re.I,
)
_SEEING = re.compile(r"^(?:see|view|receive|get|be shown|be presented with)\s+", re.I)
_PROMPTED = re.compile(
    r"^be (?P<verb>prompted|notified|informed|asked|warned|redirected|alerted)\b ?", re.I
)
_ACTIVE = {
    "prompted": "Prompt",
    "notified": "Notify",
    "informed": "Inform",
    "asked": "Ask",
    "warned": "Warn",
    "redirected": "Redirect",
    "alerted": "Alert",
}
_FINITE = re.compile(
    r"\b(?:is|are|was|has|have|must|should|can|will|may|does|do|takes?|returns?|accepts?"
    r"|needs?|becomes?"
    r"|dies?|lives?|contains?|means?|shows?|allows?|includes?|gets?|lists?|changes?|ends?|starts?"
    r"|enters?|views?|clicks?|owns?|drinks?|plays?|uses?|likes?)\b",
    re.I,
)
_STATED = re.compile(
    r"`[^`]{1,80}` \w+s\b|(?:by|when|if|once|any|all|every|each|there|it|this|these|no) \w"
    r"|(?:the|an?) (?:\S+ ){3}",
    re.I,
)
_MAKING = re.compile(
    r"^(?:an? )?(?:\w+ ){0,3}(?:app|application|program|utility|tool|script|website|system)\b",
    re.I,
)
_ENDS_CLAUSE = re.compile(
    r"(?:, (?:and|or|but|which|so|where|when|as|e\.g\.|including|in order)\b|; |\s\(| so "
    r"that | which "
    r"| in order to | - | \u2013 |: |\. | containing | indicating | where | including | "
    r"representing |, )",
    re.I,
)
_ACRONYM = re.compile(r"^[A-Z][A-Z0-9/.+-]|^[A-Z]\w*[A-Z_]|^`|^[^\w]|^I\b|^Question \w")
_REPEATED = re.compile(
    r"(?:Let the (?:[a-z'-]+ ){0,3}?(?:users?|players?|callers?|customers?|visitors?|students?"
    r"|respondents?|coordinators?|admins?|members?) |Show |Make sure that |Prompt the user |Solve )"
)


def order(text: str) -> str:
    """Say a requirement as something to do.

    >>> order("User can see a list of names")
    'Show a list of names'
    >>> order("Passwords are stored hashed")
    'Make sure that passwords are stored hashed'
    """
    text = without_lead(text.strip().rstrip(".:;,"))
    for say in (_of_question, _of_ban, _of_duty, _of_person):
        if said := say(text):
            return said
    if _MAKING.match(text):
        return f"Build {_small(text)}"
    is_phrase = len(text.split()) <= _LONG_PHRASE and not _FINITE.search(text)
    if not is_phrase and (_FINITE.search(text) or _STATED.match(text)):
        return f"Make sure that {_small(text)}"
    return f"Cover {_small(text)}"


def _of_question(text: str) -> str:
    if question := _QUESTION.match(text):
        return f"Solve {question[1]}: {question[2]}"
    return f"Answer: {text}" if text.endswith("?") else ""


def _of_ban(text: str) -> str:
    cannot = _CANNOT.match(text)
    is_person = cannot and _PERSON.search(cannot["who"])
    said = ban_of(text)
    return said if said.startswith("Do without") or not is_person else ""


def _of_duty(text: str) -> str:
    if (task := _TASK_IS.match(text)) and text[task.end() :]:
        return _capital(text[task.end() :])
    if found := _PROGRAM.match(text):
        return f"Make the {found['what'].lower()} {found['does']}"
    return _capital(text) if starts_with_order(text) else ""


def _of_person(text: str) -> str:
    if (found := _CANNOT.match(text)) and _PERSON.search(found["who"]):
        return f"Keep the {found['who'].lower()} from being able to {found['what']}"
    if (found := _CAN.match(text)) and _PERSON.search(found["who"]):
        return _for_person(found["who"], found["what"])
    return ""


def _for_person(who: str, what: str) -> str:
    person = who.lower()
    if person in {"developer", "developers", "you"}:
        return _capital(what)
    if seen := _SEEING.match(what):
        return f"Show {what[seen.end() :]}"
    if passive := _PROMPTED.match(what):
        return f"{_ACTIVE[passive['verb'].lower()]} the {person} {what[passive.end() :]}".strip()
    return f"Let the {person} {what}"


def describe(group: Sequence[Requirement], limit: int = LIMIT) -> str:
    """Say a group of requirements as one order of at most `limit` characters."""
    orders = [order(requirement.text) for requirement in group]
    if len(orders) == 1:
        return cut(_first_clause(orders[0], limit), limit)
    said = _clause(orders[0], max(_CLAUSE, limit // len(orders) - 2))
    repeated = _REPEATED.match(said)
    subject = repeated[0].lower() if repeated else ""
    for done, text in enumerate(orders[1:], start=1):
        is_same = bool(subject) and text.lower().startswith(subject)
        clause = _clause(_small(text[len(subject) :] if is_same else text), _CLAUSE)
        rest = len(orders) - done
        tail = f" (+{rest - 1} more)" if rest > 1 else ""
        if len(said) + len(clause) + 2 + len(tail) > limit:
            closing = f" (+{rest} more)"
            return f"{cut(said, limit - len(closing))}{closing}"
        said = f"{said}; {clause}"
    return cut(said, limit)


def _first_clause(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    ends = [found.start() for found in _ENDS_CLAUSE.finditer(text[:limit])]
    fitting = [end for end in ends if end >= limit // 2]
    return text[: fitting[-1]].rstrip(" ,;:.-") if fitting else text


def _clause(text: str, limit: int) -> str:
    """Shorten a text at the end of a clause, or at a word where the clause would be too bare."""
    if len(text) <= limit:
        return text
    ends = [found.start() for found in _ENDS_CLAUSE.finditer(text[: limit + 1])]
    fitting = [end for end in ends if end >= limit * _BARE]
    return text[: fitting[-1]].rstrip(",;:. -") if fitting else cut(text, limit)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    return text if _ACRONYM.match(text) else text[:1].lower() + text[1:]
