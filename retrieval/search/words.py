"""Break text and code into what is searched for: words, their stems, and runs of characters.

It knows spelling, nothing of documents or scores.
"""

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import Stemmer

_GRAM = 4
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_DEFINED = re.compile(
    r"^[ \t]*(?:async[ \t]+)?(?:def|class|function|fn|func|sub|interface|struct)[ \t]+"
    r"([A-Za-z_]\w*)"
    r"|^[ \t]*(?:public|private|protected|static)[\w<>\[\], \t]{0,80}?[ \t](\w+)[ \t]*\(",
    re.M,
)
_CODE = re.compile(
    r"^[ \t]*(?:def |class |import |from \w+ import|#include|function |public |let |const |var |fn "
    r"|return )",
    re.M,
)
_stem = lru_cache(50_000)(Stemmer.Stemmer("english").stemWord)


def split_words(text: str) -> list[str]:
    """Return the words in lower case; `snake_case` and `camelCase` are two words each."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text.replace("_", " ")))]


def content_words(text: str, *, is_query: bool = False) -> list[str]:
    """Return the words that say something, abbreviations and signs of code spelled out.

    A query of nothing but common words keeps them.
    """
    lexicon = _lexicon()
    words = [word for word in split_words(_spelled_out(text)) if len(word) > 1]
    skipped = lexicon.stop | lexicon.said_of_any_program if is_query else lexicon.stop
    kept = [word for word in words if word not in skipped]
    return kept or words if is_query else kept


def stems(words: list[str]) -> list[str]:
    """Return the stem of each word."""
    return [_stem(word) for word in words]


def grams(text: str, *, is_query: bool = False) -> list[str]:
    """Return every run of four characters of the words, across their borders too."""
    skipped = _lexicon().said_of_any_program if is_query else frozenset[str]()
    line = f" {' '.join(word for word in split_words(text) if word not in skipped)} "
    return [line[start : start + _GRAM] for start in range(len(line) - _GRAM + 1)]


def defined_names(text: str) -> str:
    """Return the names of the functions and classes that a piece of code defines."""
    return " ".join(first or second for first, second in _DEFINED.findall(text))


def is_code(text: str) -> bool:
    """Return whether a text looks like a piece of a program."""
    return _CODE.search(text) is not None


def respelled(text: str) -> str:
    """Return a text as prose, for an encoder that knows no identifiers.

    It is what the text is called, the text with its identifiers split, and what its abbreviations
    and signs of code mean.
    """
    name = defined_names(text) or next((line for line in text.splitlines() if line.strip()), "")
    spelled = _spelled_out(f"{' '.join(split_words(name))}. {text}")
    return _CAMEL.sub(" ", spelled.replace("_", " "))


def telling_words(query: str) -> str:
    """Return a query without what is said of any program; a query of nothing else as it is."""
    skipped = _lexicon().said_of_any_program
    return " ".join(w for w in _WORD.findall(query) if w.lower() not in skipped) or query


def _spelled_out(text: str) -> str:
    """Return a text followed by what its abbreviations and its signs of code mean."""
    lexicon = _lexicon()
    known = dict.fromkeys(split_words(text))
    meanings = [lexicon.abbreviations[word] for word in known if word in lexicon.abbreviations]
    if is_code(text):
        meanings += [meaning for sign, meaning in lexicon.signs if sign.search(text)]
    return " ".join([text, *meanings])


class _Lexicon(NamedTuple):
    stop: frozenset[str]
    said_of_any_program: frozenset[str]
    signs: list[tuple[re.Pattern[str], str]]
    abbreviations: dict[str, str]


@cache
def _lexicon() -> _Lexicon:
    table = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8"))
    return _Lexicon(
        frozenset(table["stop"]),
        frozenset(table["said_of_any_program"]),
        [(re.compile(sign), meaning) for sign, meaning in table["signs"]],
        table["abbreviations"],
    )
