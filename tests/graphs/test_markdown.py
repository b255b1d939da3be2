"""What a notebook is shown: plans and code as Markdown and HTML, in which text stays text."""

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from graphs.code import Code, FileDraft
from graphs.markdown import harmless, plain, to_html
from graphs.plan import Plan, build_plan
from tests.graphs.test_plan import draft

EVERYTHING = MarkdownIt("commonmark").enable("table")
"""A parser that a careless front end may have: raw HTML, and images from anywhere."""
SHOWN = {
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "hr", "br", "em", "strong", "a",
    "code", "pre", "blockquote", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
HOSTILE = (
    "</td><script>alert(1)</script>",
    '<img src="http://evil.example/pixel.png" onerror="alert(1)">',
    "![x](http://evil.example/pixel.png)",
    "[press](javascript:alert(1)) [or](data:text/html,x) [or](&#106;avascript:alert(1))",
    "a | b\n\n| c |\n|---|\n# heading\n```\nfence",
    "<javascript:alert(1)>",
)
PIECES = (
    "`", "``", "```", "~~~", "\n", "\n\n", "\r", "    ", "> ", "- ", "1. ", "|", "\n|--|--|\n",
    " ", "a", "\\", "![x](http://e/i.png)", "![x][r]", "\n[r]: http://e/i.png\n", "<img src=x>",
    "<div>", "</div>", "<!--", "-->", '<a href="', '">', "<", "!", "[", "]", "(", ")", "&lt;",
    "*", "_", "#", "=", "\t", "\x0c", "\u2028", "<http://e.f>", "<script>",
)  # fmt: skip
hostile_texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


class Tags(HTMLParser):
    """Collects the tags of a piece of HTML, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember one tag."""
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


def assert_harmless(html: str) -> None:
    """Fail where something else than text and its structure would be shown or loaded."""
    tags = Tags(html)
    assert tags.names <= SHOWN
    assert tags.attributes <= {"href", "title", "style", "class", "start"}
    assert [link for link in tags.links if not link.startswith(("http://", "https://"))] == []


def tokens(markdown: str, parser: MarkdownIt = EVERYTHING) -> Iterator[Token]:
    """Yield what a parser finds, lines and what is in them."""
    for token in parser.parse(markdown):
        yield token
        yield from token.children or []


def hostile_plan(text: str) -> Plan:
    """Make a plan with a text wherever a person or a model may write one."""
    made = draft(("a", 10, []), ("b", 20, ["a"]))
    made.requirements.programming_language = made.requirements.framework = text
    made.requirements.deadline = text
    made.requirements.deliverables = made.risk_factors = made.success_criteria = [text]
    for task in made.tasks:
        task.description = text
        task.tool_requirements = [text, text]
    return build_plan(made, title=text)


def test_plan_is_a_table_with_its_critical_path_when_displayed() -> None:
    """The tasks by number, what they wait for, and the chain that decides the end marked."""
    plan = build_plan(
        draft(
            ("first", 10, []), ("slow", 50, ["first"]), ("fast", 5, ["first"]),
            ("last", 1, ["slow", "fast"]), risk_factors=["time"], success_criteria=["it runs"],
        ),
        title="Sorting lab",
    )  # fmt: skip
    shown = plan._repr_markdown_()
    assert shown.startswith("### Plan: Sorting lab\n\n| # | task | after | minutes | tools |\n")
    assert r"| **2** \* | Do slow | 1 | 50 | pytest |" in shown
    assert "| 3 | Do fast | 1 | 5 | pytest |" in shown
    assert "python · low complexity · no deadline given · needs tests" in shown
    assert r"66 minutes of work; \* critical path 1 → 2 → 4: 61 minutes at least." in shown
    assert "**To hand in**\n\n- report.md\n\n**Risks**\n\n- time\n\n**Done when**" in shown
    html = plan._repr_html_()
    assert html.count("<tr>") == 5
    assert '<td style="text-align:right">50</td>' in html


@pytest.mark.parametrize("text", HOSTILE)
def test_plan_stays_a_table_when_its_texts_are_hostile(text: str) -> None:
    """Five cells in each row, and no tag, image or link that a text has made."""
    plan = hostile_plan(text)
    html = plan._repr_html_()
    assert_harmless(html)
    assert "<a " not in html
    assert html.count("<td") == 10
    assert html.count("<table>") == html.count("<h3>") == 1
    kinds = [token.type for token in tokens(plan._repr_markdown_())]
    assert not {"image", "html_block", "html_inline", "link_open"} & set(kinds)
    assert kinds.count("td_open") == 10


def test_span_of_code_is_code_when_in_a_cell() -> None:
    """The one mark that is read in a task is the backtick, also around a pipe."""
    html = hostile_plan("Run `cat a | wc` and *look*")._repr_html_()
    assert "Run <code>cat a | wc</code> and *look*</td>" in html


def test_code_is_fenced_by_file_when_displayed() -> None:
    """A file's name, its text as it is, and a fence that no fence inside can close."""
    inner = "Text\n\n````\n![x](http://e/i.png) <b>\n````\n"
    file = FileDraft(path="README.md", language="markdown", content=inner)
    code = Code(files=[file], notes=["![x](http://e/i.png) <script>"])
    assert f"`README.md`\n\n`````markdown\n{inner}`````" in code._repr_markdown_()
    html = code._repr_html_()
    assert_harmless(html)
    assert "<code>README.md</code>" in html
    assert html.count("<pre>") == 1
    assert "&lt;b&gt;\n````\n</code></pre>" in html
    assert '<li>!<a href="http://e/i.png">x</a> &lt;script&gt;</li>' in html


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_harmless_when_its_texts_are_hostile(text: str) -> None:
    """Also where a language or a path is no language and no path."""
    file = FileDraft(path=f"a`{text}", language=f"python\n{text}", content=text)
    assert_harmless(Code(files=[file], notes=[text])._repr_html_())


@pytest.mark.parametrize("text", HOSTILE)
def test_html_is_harmless_when_made_of_anything(text: str) -> None:
    """No tag comes through, no image is loaded, no link runs code; the words are still there."""
    html = to_html(text)
    assert_harmless(html)
    assert Tags(html).names <= {"p", "a", "table", "thead", "th", "tr", "h1", "pre", "code"}


def test_image_is_a_link_when_shown() -> None:
    """Whoever wants to see it presses it; nobody is made to load it."""
    text = "See ![the diagram](http://e/i.png), `![x](y)` and `a < b`."
    assert harmless(text) == "See \\![the diagram](http://e/i.png), `![x](y)` and `a < b`."
    assert '!<a href="http://e/i.png">the diagram</a>' in to_html(text)


@pytest.mark.parametrize("text", ["```\nx", "~~~~py\nx\n", "```", "- a\n\n```\n![x](y)\n\n"])
def test_open_fence_is_closed_when_text_follows(text: str) -> None:
    """A fence that a model left open does not swallow what stands below its answer."""
    *_, last = EVERYTHING.parse(f"{harmless(text)}\n\n**Notice**")
    assert last.type == "paragraph_close"


@pytest.mark.parametrize("text", ["```\nx\n```", "> ```\n> x", "- ```\n  x", "x\n", ""])
def test_text_is_unchanged_when_nothing_is_open(text: str) -> None:
    """What ends by itself is left alone."""
    assert harmless(text) == text


@settings(max_examples=300, deadline=None)
@given(hostile_texts)
def test_markdown_has_no_image_and_no_tag_when_made_harmless(text: str) -> None:
    """Also for a parser that would take both, whatever the text is put together from."""
    found = list(tokens(f"{harmless(text)}\n\n**Notice**"))
    assert not {"image", "html_block", "html_inline"} & {token.type for token in found}
    assert [token.content for token in found if token.type == "inline"][-1] == "**Notice**"


@settings(max_examples=300, deadline=None)
@given(hostile_texts)
def test_line_shows_as_it_is_when_plain(text: str) -> None:
    """One paragraph of one list, with the text's own characters in it."""
    found = list(tokens(f"- {plain(text)}\n"))
    kinds = {token.type for token in found}
    assert not {"image", "html_inline", "link_open", "em_open", "heading_open", "fence"} & kinds
    assert sum(token.type == "inline" for token in found) == bool(text.strip())
    if "code_inline" not in kinds:
        assert "".join(t.content for t in found if t.type == "text") == " ".join(text.split())
