"""Which marks of an answer are citations, and that none points nowhere."""

from hypothesis import given
from hypothesis import strategies as st

from graphs.citations import CitationStream, cited_numbers, drop_citations, without_images

PIECES = [
    "![",
    "!",
    "[1]",
    "[9]",
    "[",
    "]",
    "1",
    "`",
    "```",
    "\n",
    " ",
    "a",
    "(",
    ":",
    "[12",
    "word",
]


def test_links_and_code_are_no_citations_when_they_look_alike() -> None:
    """Markdown links, definitions and subscripts keep their brackets."""
    text = "[1](http://x) a[2] [3]: y `[4]`"
    assert cited_numbers(text) == set()
    assert drop_citations(text, known=set()) == text


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.sampled_from(["", " ", ", "]))
def test_no_unknown_citation_is_left_when_dropped(numbers: list[int], between: str) -> None:
    """However marks are strung together, the known ones stay and the others go."""
    text = "Use it " + between.join(f"[{n}]" for n in numbers) + "."
    known = {1, 2, 3}
    left = drop_citations(text, known=known)
    assert [n for n in range(13) if f"[{n}]" in left] == sorted(known & set(numbers))
    assert cited_numbers(left) == known & set(numbers)


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(1, 5))
def test_stream_equals_the_whole_when_text_comes_in_pieces(pieces: list[str], size: int) -> None:
    """However a text is cut, what is shown adds up to what the whole text would show."""
    text = "".join(pieces)
    stream = CitationStream(known={1, 2})
    shown = [stream.feed(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join([*shown, stream.end()]) == drop_citations(text, known={1, 2})


def test_image_is_a_link_when_it_stands_in_prose() -> None:
    """It would be loaded by whoever looks at it; code is no image, and an exclamation stays one."""
    text = "Look![1] ![a](http://x/?q=1) ![b][c] `![d](e)`\n```js\nif (![1].pop()) {}\n```"
    assert drop_citations(text, known={1}) == (
        "Look! [1] ! [a](http://x/?q=1) ! [b][c] `![d](e)`\n```js\nif (![1].pop()) {}\n```"
    )
    assert without_images("![a](b)") == "! [a](b)"


def test_text_is_not_held_back_when_it_is_decided() -> None:
    """Plain words and code pass at once; only a possible mark waits for what follows it."""
    stream = CitationStream(known={1})
    assert stream.feed("Use a dict ") == "Use a dict "
    assert stream.feed("[1") == ""
    assert stream.feed("]") == ""
    assert stream.feed(" or") == "[1] or"
    assert stream.feed("\n```python\nx[9] = ") == "\n```python\nx[9] = "
