"""Cutting text into blocks, and keeping one text from reaching into another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.reading.blocks import as_plain, as_section, blocks_of

MARKDOWN = st.text(alphabet="#`~ \n\r\x0c\u2028ab", max_size=200)


@given(text=MARKDOWN)
@settings(max_examples=300, deadline=None)
def test_blocks_are_the_text_when_joined(text: str) -> None:
    """Nothing is lost between headings and fences."""
    assert "".join(block.text for block in blocks_of(text)) == text


@given(text=MARKDOWN)
@settings(max_examples=300, deadline=None)
def test_text_stays_in_its_section_when_another_follows(text: str) -> None:
    """No heading of its own is one of a section, and the next heading is seen."""
    *own, last = blocks_of(f"{as_section(text)}\n\n## Next\n")
    assert (last.heading, last.level) == ("Next", 2)
    assert all(block.level != 2 for block in own)


@given(text=MARKDOWN)
@settings(max_examples=300, deadline=None)
def test_plain_text_has_no_structure_when_read_again(text: str) -> None:
    """Neither headings nor fences are left, and the words are the same."""
    plain = as_plain(text)
    assert all(not block.heading and not block.is_fence for block in blocks_of(plain))
    assert plain.split() == text.split()
