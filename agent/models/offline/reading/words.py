"""Words of a text: what counts as one, how rare it is, where a line may be cut.

It knows English endings and a few synonyms of programming. It does not know what a text is for.
"""

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

CLIP = 2_000
"""Characters of a single line that are read; keeps every search on a line short."""
ELLIPSIS = "…"
_LOOSE_END = " ,;:.-(\u2013"

_WORD = re.compile(r"[^\W_]+", re.U)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LINK = re.compile(
    r"!?\[([^\]\[]{0,300})\](?:\([^)\s]{0,300}(?: \"[^\")]{0,100}\")?\)|\[[^\]\[]{0,80}\])"
)
_TAG = re.compile(
    r"</?(?:span|br|hr|img|b|i|u|p|div|a|iframe|center|font|h[1-6]|table|thead|tbody|tr|td|th|ul|ol"
    r"|li|em|strong|code|pre|sup|sub|details|summary|small|style|script)\b[^<>]{0,300}>",
    re.I,
)
_EMPHASIS = re.compile(r"(?<![\w*`])[*_]([^*_\s`][^*_`]{0,200})[*_](?![\w*`])")
_URL = re.compile(r"<?https?://[^\s<>)\]]{1,400}>?")
_SPACES = re.compile(r"\s+")
_ESCAPED = re.compile(r"\\([_*#`~\[\]()|.!-])")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")

_FUNCTION_WORDS = """
    a an the and or but if then else of in on at to for from by with without within into onto
    as is are was were be been being am do does did done doing have has had having i me my
    mine we us our you your yours he she it its they them their this that these those there
    here what which who whom whose when where why how can could should would will shall may
    might must not no nor so than too very just also only please want need like make get got
    use using used help show tell give let about some any each all both more most other such
    same own again once im id ill ive s t re ve ll m d one two way thing something user
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_CONCEPTS: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split())
    for group in (
        "authentication login jwt password auth session oauth",
        "token jwt",
        "database db sqlite sql sqlalchemy postgres table schema",
        "test tests testing pytest unittest junit jest",
        "hang freeze stuck wait block deadlock",
        "error exception fail failure traceback crash",
        "fast slow performance speed efficient memory optimise optimize",
        "secure security injection hash secret",
        "async asyncio asynchronous concurrency concurrent thread parallel race",
        "parse parser parsing tokenise regex",
        "plot chart graph matplotlib visualise visualize",
        "validate validation check invalid",
        "dataframe pandas csv dataset",
        "route endpoint api rest url http",
    )
)
_ENDINGS = (("ations", 4), ("ation", 4), ("ating", 4), ("ated", 4), ("ates", 4), ("ate", 4))
_VOWEL = re.compile(r"[aeiouy]")
_SHORT_STEM = 3


def stem(word: str) -> str:
    """Cut the common English endings off a lower-case word.

    >>> stem("hashed") == stem("hashing"), stem("authentication") == stem("authenticate")
    (True, True)
    """
    if not word.isascii() or len(word) <= _SHORT_STEM:
        return word
    for ending, least in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            return word[: -len(ending)]
    if word.endswith("ies") and len(word) > len("ties"):
        return f"{word[:-3]}y"
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= _SHORT_STEM and _VOWEL.search(root):
            return _undouble(root)
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > len("code") else word


def _undouble(root: str) -> str:
    doubled = len(root) > _SHORT_STEM and root[-1] == root[-2] and root[-1] not in "ls"
    trimmed = root[:-1] if doubled else root
    return trimmed[:-1] if trimmed.endswith("e") and len(trimmed) > len("code") else trimmed


_ONE_WORD = re.compile(
    r"FastAPI|GitHub|JavaScript|TypeScript|NumPy|PyTorch|TensorFlow|MongoDB|PostgreSQL|IndexedDB"
    r"|localStorage|SQLAlchemy|JUnit|PyTest|DataFrames?|MySQL|GraphQL|WebSockets?|NodeJS|OAuth"
)


def terms(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, identifiers split into their words."""
    found = []
    joined = _ONE_WORD.sub(lambda name: name[0].lower(), text)
    for raw in _WORD.findall(_CAMEL.sub(" ", joined)):
        word = raw.lower()
        if word not in STOP_WORDS and (len(word) > 1 or word in "cr0123456789"):
            found.append(stem(word))
    return found


def related(term: str) -> frozenset[str]:
    """Return the stems that mean nearly the same in programming, without `term` itself."""
    return _RELATED.get(term, frozenset()) - {term}


_RELATED: dict[str, frozenset[str]] = {}
for _group in _CONCEPTS:
    for _word in _group:
        _known = _RELATED.get(stem(_word), frozenset())
        _RELATED[stem(_word)] = _known | {stem(other) for other in _group}


def rarity(texts: Sequence[Iterable[str]]) -> dict[str, float]:
    """Weigh each term by how few of the texts hold it."""
    counts = Counter(term for text in texts for term in set(text))
    return {term: math.log(1 + len(texts) / count) for term, count in counts.items()}


def overlap(ours: Iterable[str], theirs: Iterable[str]) -> float:
    """Return which share of our terms stands among theirs, 0.0 to 1.0."""
    mine, other = set(ours), set(theirs)
    return len(mine & other) / len(mine) if mine else 0.0


def cut(text: str, limit: int) -> str:
    """Shorten a line at a word boundary; code marks stay in pairs.

    >>> cut("Show the control panel with three buttons", 24)
    'Show the control panel…'
    """
    text = _SPACES.sub(" ", text).strip()
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    space = head.rfind(" ")
    if space > limit // 3 and text[limit - 1] != " ":
        head = head[:space]
    if head.count("`") % 2:
        head = head[: head.rfind("`")] if head.rfind("`") > limit // 3 else head.replace("`", "")
    return f"{head.rstrip(_LOOSE_END)}{ELLIPSIS}"


def plain(line: str) -> str:
    """Take links, emphasis and HTML off a line of Markdown; code marks stay."""
    text = _TAG.sub(" ", line[:CLIP])
    text = _LINK.sub(lambda link: link[1], text)
    text = _URL.sub("", text).replace("**", "").replace("__", " ").replace("~~", "")
    text = _ESCAPED.sub(r"\1", _EMPHASIS.sub(lambda mark: mark[1], text))
    return clean(html.unescape(text)) if "&" in text else clean(text)


def clean(text: str) -> str:
    """Put a text on one line of printable characters."""
    return _SPACES.sub(" ", _UNPRINTABLE.sub("", text)).strip()


def printable(text: str) -> str:
    """Drop what cannot be encoded or printed; lines stay."""
    return _UNPRINTABLE.sub("", text)


_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(`\[]?[A-Z0-9`\"À-Þ])")
_NOT_AN_END = ("e.g.", "i.e.", "etc.", "vs.", "cf.", "Dr.", "Mr.", "Ms.", "Fig.", "no.", "approx.")


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; abbreviations do not end one."""
    parts: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if parts and parts[-1].endswith(_NOT_AN_END):
            parts[-1] = f"{parts[-1]} {piece}"
        elif piece.strip():
            parts.append(piece.strip())
    return parts


def listed(names: Sequence[str], last: str = "and") -> str:
    """Write names as a list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) < 2:  # noqa: PLR2004 - one name or none needs no comma
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
