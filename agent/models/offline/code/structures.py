"""Data structures that courses ask for, with their usual operations.

It knows what they are called. It does not know how a language writes them.
"""

import re
from collections.abc import Mapping, Sequence

from agent.models.offline.code.phrases import Function, function_named

_READ = 600
_KEY, _VALUE = ("key", "str"), ("value", "str")
_STRUCTURES: Sequence[tuple[str, str, tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]] = (
    (
        "binary search tree|bst",
        "BinarySearchTree",
        (("add", (_VALUE,)), ("has_value", (_VALUE,)), ("remove", (_VALUE,))),
    ),
    (
        "linked ?list",
        "LinkedList",
        (
            ("append", (_VALUE,)),
            ("prepend", (_VALUE,)),
            ("remove", (_VALUE,)),
            ("has_value", (_VALUE,)),
        ),
    ),
    (
        "priority queue|min[- ]heap|max[- ]heap",
        "PriorityQueue",
        (("push", (("priority", "int"), _VALUE)), ("pop", ()), ("peek", ())),
    ),
    ("lru cache", "LruCache", (("get", (_KEY,)), ("put", (_KEY, _VALUE)))),
    (
        "hash ?(?:map|table)",
        "HashMap",
        (("get", (_KEY,)), ("put", (_KEY, _VALUE)), ("remove", (_KEY,))),
    ),
    (
        "trie|prefix tree",
        "Trie",
        (
            ("add", (("word", "str"),)),
            ("has_word", (("word", "str"),)),
            ("has_prefix", (("prefix", "str"),)),
        ),
    ),
    (
        "stack (?:class|data structure|implementation)|a stack",
        "Stack",
        (("push", (_VALUE,)), ("pop", ()), ("peek", ()), ("is_empty", ())),
    ),
    (
        "queue (?:class|data structure|implementation)|a queue",
        "Queue",
        (("enqueue", (_VALUE,)), ("dequeue", ()), ("is_empty", ())),
    ),
)
USUAL: Mapping[str, tuple[tuple[str, str], ...]] = {
    **{name: given for *_, methods in reversed(_STRUCTURES) for name, given in methods},
    **dict.fromkeys(("push", "insert", "contains", "offer", "addfirst", "addlast"), (_VALUE,)),
    **dict.fromkeys(("deposit", "withdraw", "pay", "charge"), (("amount", "float"),)),
}
"""The usual parameters of methods, by name."""


def structure_of(text: str) -> tuple[str, str, tuple[Function, ...]] | None:
    """Return the structure that a text asks for: the words that name it, its name, its methods."""
    read = text[:_READ].lower()
    for pattern, name, methods in _STRUCTURES:
        if found := re.search(rf"\b(?:{pattern})\b", read):
            made = [
                function_named(called, given, f"{called} of the {name}")
                for called, given in methods
            ]
            return found[0], name, tuple(made)
    return None
