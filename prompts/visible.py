"""Text as a reader sees it: without the characters that no reader sees and a model reads."""

import re

UNSEEN = (
    "\0-\x08\x0b-\x1f\x7f-\x9f"  # controls, except tab and line feed
    "\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # without width, or of direction
    "\ufff9-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # of layout
    "\ufe00-\ufe0d\U000e0000-\U000e0fff"  # selectors and tags, which can spell out a text
)
"""The characters, as they stand between the brackets of a regular expression."""
_LINE_END = re.compile(r"\r\n?")
_UNSEEN = re.compile(f"[{UNSEEN}]")


def visible(text: str) -> str:
    """Take out controls, marks of direction, and characters without a shape of their own.

    An emoji that others are joined into falls apart into them.
    """
    return _UNSEEN.sub("", _LINE_END.sub("\n", text))
