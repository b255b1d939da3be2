"""Names in code, made of words in a text: safe in any language, never a keyword.

It knows cases, plurals and keywords. It does not know what a name stands for.
"""

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 40
_RESERVED = """
    arguments eval clone finalize notify wait errno stdin stdout stderr
    and as assert async await break class continue def del elif else except finally for from
    global if import in is lambda nonlocal not or pass raise return try while with yield none
    true false self match case type print list dict set str int float bool object super this
    new delete function var let const typeof void null undefined default switch case throw
    catch interface package private public protected static final abstract extends implements
    enum long short byte char double boolean struct union unsigned signed sizeof typedef
    extern register goto auto volatile inline fn impl mut pub ref trait use where loop move
    box crate mod dyn unsafe func defer go chan select map range fallthrough table create drop
    order group values index key primary foreign references check unique insert update main
    template namespace operator friend virtual using string
"""
_KEYWORDS = frozenset(_RESERVED.split())
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "data": "data",
}


def ascii_words(text: str) -> list[str]:
    """Return the words of a text in plain letters, identifiers split into theirs."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", text))
    return _WORD.findall(plain.encode("ascii", "ignore").decode())


def snake(text: str, fallback: str = "value") -> str:
    """Return a name such as `due_date`.

    >>> snake("Due date"), snake("class"), snake("2nd try")
    ('due_date', 'class_', 'n2nd_try')
    """
    name = "_".join(word.lower() for word in ascii_words(text))[:_LONGEST].strip("_") or fallback
    name = f"n{name}" if name[0].isdigit() else name
    return f"{name}_" if name in _KEYWORDS else name


def pascal(text: str, fallback: str = "Item") -> str:
    """Return a name such as `DueDate`."""
    name = "".join(word[:1].upper() + word[1:] for word in ascii_words(text))[:_LONGEST] or fallback
    return f"N{name}" if name[0].isdigit() else name


def camel(text: str, fallback: str = "value") -> str:
    """Return a name such as `dueDate`."""
    name = pascal(text, fallback)
    name = name[0].lower() + name[1:]
    return f"{name}_" if name.lower() in _KEYWORDS else name


def singular(word: str) -> str:
    """Return a noun for one.

    >>> singular("entries"), singular("students"), singular("class")
    ('entry', 'student', 'class')
    """
    low = word.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if low.endswith("ies") and len(low) > len("ties"):
        return f"{word[:-3]}y"
    if low.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if low.endswith("s") and not low.endswith(("ss", "us", "is")) else word


def plural(word: str) -> str:
    """Return a noun for several.

    >>> plural("entry"), plural("student"), plural("box")
    ('entries', 'students', 'boxes')
    """
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def distinct(names: Iterable[str]) -> list[str]:
    """Return names in order, a repeated one with a number behind it.

    >>> distinct(["a", "a", "a2"])
    ['a', 'a2', 'a22']
    """
    found: list[str] = []
    for name in names:
        free, count = name, 1
        while free in found:
            count += 1
            free = f"{name}{count}"
        found.append(free)
    return found


def remark(text: str, width: int = 88) -> str:
    """Make a text safe to stand in a comment or a string of any language, on one line."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^\w .,:;()/'+=<>%?!&#-]", " ", plain.replace('"', "'"))
    words = " ".join(words.replace("*/", " ").replace("/*", " ").replace("'", "").split())
    return words if len(words) <= width else f"{words[: width - 3].rsplit(' ', 1)[0]}..."
