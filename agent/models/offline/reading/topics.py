"""Topics that a brief touches on, by the words they leave in it.

It knows words. What follows from a topic is decided elsewhere.
"""

import re
from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "authentication": (r"\b(?:auth\w*|log ?in|sign[- ]?(?:in|up)|passwords?|jwt|oauth|bearer)\b"),
    "external API": (
        r"\b(?:(?:third[- ]party|external|free|public|weather|\w+'s) api|api "
        r"(?:key|call|request)s?|fetch\w* from|webhook|scrap\w+|rss|whois|ftp)\b"
    ),
    "web API": (
        r"\b(?:(?-i:REST)|restful|rest api|endpoints?|http (?:method|service|api)|crud|(?-i:GET"
        r"|POST|PUT|DELETE)(?= `?/))\b"
    ),
    "database": (
        r"\b(?:databases?|sql(?:ite)?|postgres\w*|mongo\w*|indexeddb|(?:database|table) "
        r"schema|orm)\b"
    ),
    "storage": (
        r"\b(?:local ?storage|persist\w*|survive a restart|saved? (?:to|in) (?:a )?file"
        r"|cookies?)\b"
    ),
    "concurrency": (
        r"\b(?:concurren\w*|threads?|async\w*|parallel\w*|locks?|race conditions?|deadlocks?"
        r"|(?-i:Promises?)|goroutines?)\b"
    ),
    "real time": (
        r"\b(?:real[- ]time|web ?sockets?|multi-?player|mqtt|chat server|timers?|set "
        r"?interval|countdown|stopwatch|every \S+ seconds?)\b"
    ),
    "user interface": (
        r"\b(?:button|click\w*|drag\w*|gui|dropdown|input field|text ?box|panel|canvas"
        r"|animation|responsive)\b"
    ),
    "machine learning": (
        r"\b(?:neural|train(?:ing)? (?:a|the|your|set)|classifier|(?:linear|logistic) "
        r"regression|gradient descent|convolution\w*|transformers?|rnns?|clustering"
        r"|k-?means)\b"
    ),
    "data": (r"\b(?:data ?sets?|data ?frames?|csv|pandas|missing values|exploratory)\b"),
    "performance": (
        r"\b(?:performance|memory (?:use|usage|limit)|less than \d+ (?:ms|mb|seconds?)|time "
        r"complexity|(?-i:O)\([^)]{1,12}\)|efficien\w+|vectori[sz]e\w*|benchmark\w*|large "
        r"(?:files?|inputs?|numbers?)|limit to how)\b"
    ),
    "hardware": (r"\b(?:sensors?|raspberry|arduino|iot device|relay|gpio|microcontroller|mqtt)\b"),
    "money": (
        r"\b(?:currenc\w+|prices?|payments?|mortgage|interest rate|cents?|bank account"
        r"|debits?)\b"
    ),
    "randomness": (r"\b(?:random\w*|shuffl\w*|simulat\w*|monte carlo)\b"),
    "recursion": (
        r"\b(?:recursi\w+|backtrack\w*|shortest path|(?:spanning|binary|search) trees?"
        r"|connected graph|graph traversal)\b"
    ),
    "parsing": (r"\b(?:pars(?:e|er|ing)|regular expressions?|regexp?|tokeni[sz]\w*|grammar)\b"),
}
_TOPICS = {name: re.compile(pattern, re.I) for name, pattern in _WORDS.items()}


def topics_of(text: str) -> tuple[str, ...]:
    """Return the topics of a text.

    >>> topics_of("Shuffle the deck after login")
    ('authentication', 'randomness')
    """
    return tuple(name for name, pattern in _TOPICS.items() if pattern.search(text))
