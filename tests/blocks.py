"""Take a prompt's message apart as its reader does: marked blocks, and what stands between them."""

import re
import unicodedata

_LAST_MARK = re.compile(r".*^</\w+ ([0-9a-f]{12})>", re.S | re.M)
_SHAPELESS = {"Cc", "Cf"}
_SHOWN = {
    "\n",
    "\t",
    "\u00ad",
    *map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)),
}
_SHOWN |= {"\U000110bd", "\U000110cd"}
"""Characters of these kinds that readers see: line ends, hyphens, and signs before a number."""


def mark_of(message: str) -> str:
    """Return the mark that the blocks of a message are closed with."""
    found = _LAST_MARK.match(message)
    assert found, message
    return found[1]


def take_apart(message: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what stands outside of all blocks, and each block's name and text."""
    mark = re.escape(mark_of(message))
    block = re.compile(rf"^<(\w+) {mark}>\n(.*?)\n</\1 {mark}>$", re.S | re.M)
    found = [(one[1], one[2]) for one in block.finditer(message)]
    return block.sub("", message), found


def shapeless(text: str) -> set[str]:
    """Return the characters that no reader sees, by what Unicode says of them."""
    return {c for c in text if unicodedata.category(c) in _SHAPELESS} - _SHOWN
