"""Functions as a request describes them: `a function that reverses a string`.

It knows how a phrase becomes a name, parameters and a kind of result.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.offline.code.naming import ascii_words, distinct, singular, snake
from agent.models.offline.reading.requirements import IMPERATIVES
from agent.models.offline.reading.words import STOP_WORDS, clean

_ASKS = frozenset(("overlaps", "contains", "matches", "equals", "intersects", "exists", "includes"))
ANYTHING = frozenset(("first", "second", "left", "right", "other", "one", "two", "record", "item"))
"""Names of parameters that say nothing about a type."""
_MOST_PARAMETERS = 6
_NAME_WORDS = 3
_READ = 600

_CLAUSE_STARTS = ("\n", ". ", "; ", ", and ")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w{1,39})\(([^()\n]{0,100})\)")
_LANGUAGE_CALLS = """
    if for while switch return print len range str int main printf sizeof catch println exit
    input e g i
"""
_NOT_CALLS = frozenset(_LANGUAGE_CALLS.split())
_CALLED = re.compile(
    r"\b(?:function|method|procedure|subroutine|func)s?\s+(?:called"
    r"|named)?\s*`?([A-Za-z_]\w{2,39})`?(?=[\s.,;:(`]|$)"
)
_BEFORE = re.compile(r"\b(?:the|an?)\s+`?([a-z]\w{1,20}[-_]\w{2,20})`?\s+(?:function|method)\b")
_CAMEL_NAME = re.compile(r"(?<![\w.`/])([a-z]{2,15}[A-Z][A-Za-z]{1,20})(?![\w(])")
_OTHER_WORDS = """
    that which called named for below above returns takes should must with using does tostring
    localstorage javascript typescript nodejs github
"""
_NOT_WORDS = frozenset(_OTHER_WORDS.split())
_NOTHING = re.compile(
    r"^(?:(?:the|an?|my|this|that|it|all|whole|entire|full|complete|thing|everything"
    r"|solution|answer|assignment|project"
    r"|code|rest|part|step|exercise|question|task|homework|problem|below|above|for|of|to"
    r"|me|please|\d+|[a-d])\b\W*)+$",  # without the boundary, digits can be cut in 2**n ways
    re.I,
)
_PHRASE = r"(?P<phrase>(?:[^.;:!?\n]|\.(?=[A-Za-z])){3,140})"
_THAT = re.compile(
    r"\b(?:functions?|methods?|scripts?|programs?|programme|code|queries|query|snippets?"
    r"|tools?|utility|app|class|regex|one[- ]liner)"
    r"\s+(?:in \w+\s+|called \w+\s+)?(?:that|which|to|for)\s+" + _PHRASE,
    re.I,
)
_ORDER = re.compile(
    r"(?:^|[.,:;!?]\s+|\b(?:please|pls|and|so|to|me|you|now)\s+)(?:write|impe?le?ment|code"
    r"|create|generate|build|make|develop|show|give(?: me)?)\s+(?:me\s+)?"
    r"" + _PHRASE,
    re.I,
)
_TAIL = re.compile(
    r"\s+(?:in|using|with|by)\s+(?:plain\s+)?(?:python\d?|pyhton|java(?:script)?"
    r"|typescript|c\+\+|c#|c|rust|go(?:lang)?|kotlin|haskell|ruby|sql|bash|numpy|recursion"
    r"|a loop)\b.*$"
    r"|\s+(?:python|pyhton|java|javascript|rust|golang|kotlin|haskell)$|\s+(?:please|for "
    r"me|thanks|and (?:show|explain|test|add|write)\b.*)$",
    re.I,
)
_NOUN_HEAD = re.compile(
    r"^(?:(?:an?|the|some|my|teh)\s+)?(?:(?:python|java|javascript|typescript|rust|go|bash"
    r"|c|simple|small|short|complete|full|basic|example|working)\s+)*",
    re.I,
)
_CHECK = re.compile(
    r"^(?:checks?|tests?|tells?|determines?|verif(?:y|ies)|decides?|figures? out|finds? "
    r"out|validates?)\s+(?:if|whether|that)\s+(?:an?|the|two|some)?\s*(?P<what>[\w "
    r"]{1,30}?)\s+(?:is|are|has|have|contains?)\s+(?:an?\s+|valid\s+)?(?P<is>[\w -]{2,40})",
    re.I,
)
_ENDS = re.compile(
    r"\s+(?:in|of|from|with|for|by|that|which|using|as|to|on|until|when|where|into|and|if"
    r"|so|between|given|containing|starting)\b.*$",
    re.I,
)
_RETURNS = frozenset(
    [
        "return",
        "returns",
        "give",
        "gives",
        "output",
        "outputs",
        "produce",
        "produces",
        "yield",
        "yields",
    ]
)
_PARAMETERS: Sequence[tuple[str, tuple[tuple[str, str], ...]]] = (
    (r"\btwo (?:numbers|integers|ints)\b", (("a", "int"), ("b", "int"))),
    (r"\btwo strings\b", (("first", "str"), ("second", "str"))),
    (r"\btwo (?:lists|arrays)\b", (("first", "list"), ("second", "list"))),
    (r"\b(?:list|array|vector|numbers|integers|elements|values|items)\b", (("items", "list"),)),
    (
        r"\b(?:string|text|sentence|word|palindrome|phrase|vowels|characters|password"
        r"|anagram|email)\b",
        (("text", "str"),),
    ),
    (r"\b(?:file|path|csv|log|json|txt|folder|directory)\b", (("path", "str"),)),
    (r"\bgraph\b", (("graph", "map"),)),
    (r"\b(?:number|integer|int|prime|factorial|fibonacci|digits?|n)\b", (("n", "int"),)),
    (r"\b(?:url|page|website|link)\b", (("url", "str"),)),
)
_BY_NAME = (
    (
        re.compile(
            r"^(?:n|k|i|j|x|y|a|b|m|count|size|num\w*|number|age|year|limit|index|amt|start|end"
            r"|row|col\w*|low|high)$"
        ),
        "int",
    ),
    (re.compile(r"^(?:items|list|arr|array|values|numbers|nums|data|xs|rows|elements)$"), "list"),
    (
        re.compile(r"^(?:price|amount|rate|total|principal|weight|height|temperature|ratio)$"),
        "float",
    ),
    (re.compile(r"^(?:graph|mapping|map|dict|config|options|weights)$"), "map"),
    (re.compile(r"^(?:is_|has_|flag)"), "bool"),
)


@dataclass(frozen=True, slots=True)
class Function:
    """One function that is asked for; its types are those of `spec`, `map` or empty for unknown."""

    name: str
    """In snake case."""
    parameters: tuple[tuple[str, str], ...]
    result: str
    says: str
    """What it is to do, in the words of the request."""


def named_functions(text: str) -> list[Function]:
    """Return the functions that a text names, as `startGame()` or `a function called bar`."""
    found: dict[str, Function] = {}
    for call in _CALL.finditer(text):
        name = call[1]
        if name.lower() not in _NOT_CALLS and (not name[0].isupper() or "_" in name):
            found.setdefault(
                snake(name),
                function_named(name, parameters_of(call[2]), _around(text, call.start())),
            )
    for called in (*_CALLED.finditer(text), *_BEFORE.finditer(text), *_CAMEL_NAME.finditer(text)):
        name = called[1]
        if name.lower() not in STOP_WORDS and name.lower() not in _NOT_WORDS:
            found.setdefault(
                snake(name), function_named(name, _by_phrase(text), _around(text, called.start()))
            )
    return list(found.values())


def function_of(text: str) -> Function | None:
    """Return the function that a phrase describes, or `None` where it describes none."""
    read = clean(text[:_READ])
    found = _THAT.search(read) or _ORDER.search(read)
    phrase = _TAIL.sub("", found["phrase"] if found else read).strip()
    phrase = _NOUN_HEAD.sub("", phrase, count=1)
    phrase = re.sub(
        r"^(?:implement|impelment|code|write|create)\s+(?:an?|the)?\s*", "", phrase, flags=re.I
    )
    if _NOTHING.match(phrase):
        return None
    if check := _CHECK.match(phrase):
        name = "has_" if re.search(r"\b(?:has|have|contains?)\b", phrase) else "is_"
        what = _ENDS.sub("", check["is"])
        return Function(snake(f"{name}{what}"), _by_phrase(phrase), "bool", phrase)
    words = [word.lower() for word in ascii_words(_person_off(phrase))]
    head = _ENDS.sub("", " ".join(words))
    kept = [word for word in head.split() if word not in STOP_WORDS or word in IMPERATIVES]
    if len(kept) < _NAME_WORDS - 1:
        kept = [word for word in words if word not in STOP_WORDS or word in IMPERATIVES]
    if kept and kept[0] in _RETURNS and len(kept) > 1:
        kept = kept[1:]
    if not kept:
        return None
    name = snake(" ".join(kept[:_NAME_WORDS]))
    return Function(name, _by_phrase(phrase), _result(name, phrase), phrase)


def _person_off(phrase: str) -> str:
    """Turn `reverses a string` and `let the user create event` into orders."""
    phrase = re.sub(r"^(?:let|ask|prompt|show) the \w+ (?:to )?", "", phrase, flags=re.I)
    phrase = re.sub(r"^make sure that (?:an?|the)?\s*", "check ", phrase, flags=re.I)
    first, _, rest = phrase.partition(" ")
    base = singular(first.lower())
    for candidate in (base, f"{base}e", first.lower().removesuffix("es")):
        if candidate in IMPERATIVES:
            return f"{candidate} {rest}"
    return phrase


def function_named(name: str, parameters: tuple[tuple[str, str], ...], says: str) -> Function:
    """Make a function; what comes back is guessed from its name and from what is said of it."""
    return Function(snake(name), parameters, _result(snake(name), says), says)


def parameters_of(inside: str) -> tuple[tuple[str, str], ...]:
    """Read the parameters between the brackets of a call or a declaration."""
    names = []
    for part in inside.split(",")[:_MOST_PARAMETERS]:
        bare = re.sub(r"[=:].*$", "", part).strip(" *&`[]")
        words = bare.split()
        if words and re.fullmatch(r"[A-Za-z_]\w*", words[-1]) and words[-1] not in {"self", "this"}:
            names.append(snake(words[-1]))
    return tuple((name, _type_of(name)) for name in distinct(names))


def _type_of(name: str) -> str:
    if name in ANYTHING:
        return ""
    return next((kind for pattern, kind in _BY_NAME if pattern.match(name)), "str")


def _by_phrase(phrase: str) -> tuple[tuple[str, str], ...]:
    low = phrase.lower()
    return next((given for pattern, given in _PARAMETERS if re.search(pattern, low)), ())


def _result(name: str, phrase: str) -> str:
    if name.startswith(("is_", "has_", "can_")) or name in _ASKS:
        return "bool"
    low = f"{name.replace('_', ' ')} {phrase.lower()}"
    if re.search(r"^(?:count|sum|max|min|length|factorial|fibonacci|gcd|lcm)\b|\bnumber of\b", low):
        return "int"
    if re.search(r"\b(?:average|mean|median|percentage|convert to (?:celsius|fahrenheit))\b", low):
        return "float"
    if re.search(
        r"^(?:reverse string|reverse|format|encode|decode|encrypt|decrypt|translate|capitali)", low
    ):
        return "str" if re.search(r"string|text|word|message|sentence", low) else "list"
    if re.search(r"^(?:sort|filter|flatten|merge|list|find all|primes?|all)\b", low):
        return "list"
    return ""


def _around(text: str, at: int) -> str:
    """Return the sentence or line that a name stands in."""
    before = [(text.rfind(mark, 0, at), len(mark)) for mark in _CLAUSE_STARTS]
    start = max((place + width for place, width in before if place >= 0), default=0)
    ends = [end for end in (text.find("\n", at), text.find(". ", at)) if end >= 0]
    return clean(text[start : min([*ends, at + 240])])[:160]
