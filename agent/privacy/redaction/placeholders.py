"""Placeholders such as `<EMAIL_1>`: one a value, the same one throughout a conversation.

It remembers what each placeholder stands for, so it lives no longer than the conversation's
request does, and is never stored.
"""

import re
from threading import Lock

PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]{1,20}_\d{1,6}>")
"""A placeholder as it is written; in a text that comes in, it is left alone."""

_RETURNED = re.compile(
    r"(?:<|&lt;|\\<)[ \t]{0,3}"
    r"([A-Za-z][A-Za-z_\\ ]{1,24}?)[\\_ ]{1,3}(\d{1,6})[ \t]{0,3}(?:>|&gt;|\\>)"
)
"""A placeholder as a model gives it back: other case, spaces, escaped for Markdown or HTML."""

_OPEN = re.compile(r"(?:(?:<|&lt;|\\<)[^<>&\n]{0,40}(?:&g?t?)?|&l?t?|\\)\Z")
"""The end of a text that may be the beginning of a placeholder."""


class Placeholders:
    """The placeholders of one person's conversation."""

    def __init__(self, *, exact: bool = False) -> None:
        """Start with none; with `exact` a placeholder stands for one spelling, not one person."""
        self._exact = exact
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()
        self._lock = Lock()

    def reserve(self, text: str) -> None:
        """Keep numbers free that the text itself writes, so that they never mean a value."""
        if "<" in text:
            with self._lock:
                self._taken.update(PLACEHOLDER.findall(text))

    def name(self, kind: str, value: str, identity: str = "") -> str:
        """Return the placeholder of a value, or of the person it names."""
        same = identity or " ".join(value.split()).casefold()
        key = (kind, value if self._exact else same)
        with self._lock:
            known = self._names.get(key)
            if known is not None:
                return known
            while True:
                count = self._counts[kind] = self._counts.get(kind, 0) + 1
                made = f"<{kind}_{count}>"
                if made not in self._taken:
                    break
            self._names[key] = made
            self._values[made] = value
            return made

    def restore(self, text: str) -> str:
        """Put the values back; a placeholder that was never made here stays as it is."""

        def value(match: re.Match[str]) -> str:
            kind = re.sub(r"[\\_ ]+", "_", match[1]).upper().strip("_")
            return self._values.get(f"<{kind}_{int(match[2])}>", match[0])

        return _RETURNED.sub(value, text) if self._values else text


def restore(text: str, placeholders: Placeholders) -> str:
    """Put the values of a conversation back into an answer."""
    return placeholders.restore(text)


class StreamRestorer:
    """Restores an answer that comes in pieces; a placeholder may be cut in two."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is certain so far."""
        text = self._held + piece
        opened = _OPEN.search(text, max(0, len(text) - 48))
        cut = opened.start() if opened else len(text)
        self._held = text[cut:]
        return self._placeholders.restore(text[:cut])

    def flush(self) -> str:
        """Return the rest at the end of the answer."""
        rest, self._held = self._held, ""
        return self._placeholders.restore(rest)
