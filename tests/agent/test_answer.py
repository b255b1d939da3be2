"""How an answer displays itself in a notebook."""

from typing import Any

import pytest

from agent.answer import NOTICE, Answer, QuotedSource, Usage
from graphs.code import Code, FileDraft, as_markdown
from graphs.plan import build_plan
from tests.fakes import source
from tests.graphs.test_markdown import HOSTILE, assert_harmless
from tests.graphs.test_plan import draft


def make(**changes: Any) -> Answer:
    """Make an answer."""
    values: dict[str, Any] = {
        "run_id": "11111111-1111-4111-8111-111111111111",
        "thread_id": "22222222-2222-4222-8222-222222222222",
        "assignment_id": None,
        "prompt_type": "chat",
        "text": "Use a *dictionary* [2].",
        "plan": None,
        "code": None,
        "sources": [QuotedSource.model_validate(source(2))],
        "left_out": [],
        "model_asked": "openai:gpt-4o",
        "model_served": "gpt-4o-2024-08-06",
        "usage": Usage(input_tokens=1_000, output_tokens=None),
        "cost_usd": None,
        "text_recorded": False,
    }
    return Answer(**{**values, **changes})


def test_answer_shows_text_sources_and_footer_when_displayed() -> None:
    """What it says, what it rests on, and what is known about it; unknown is not 0."""
    shown = make()._repr_markdown_()
    body, heading, sources, rule, footer = shown.split("\n\n")
    assert body == "Use a *dictionary* [2]."
    assert heading == "**Sources**"
    assert sources == (
        r"- \[2\] **Past assignment 2 (past-2.md, Brief)** "
        "Use a dictionary to count the words."
    )
    assert rule == "---"
    assert footer.split("\\\n") == [
        NOTICE,
        "gpt-4o-2024-08-06 · 1000 + ? tokens · cost unknown · text not recorded",
        "run 11111111-1111-4111-8111-111111111111",
        "thread 22222222-2222-4222-8222-222222222222",
    ]


def test_html_is_made_of_the_same_when_displayed() -> None:
    """Cost, consent, the assignment and what did not fit are there too."""
    answer = make(
        cost_usd=0.015,
        text_recorded=True,
        assignment_id="33333333-3333-4333-8333-333333333333",
        left_out=["2 earlier messages"],
    )
    html = answer._repr_html_()
    assert "<p>Use a <em>dictionary</em> [2].</p>" in html
    assert "<li>[2] <strong>Past assignment 2 (past-2.md, Brief)</strong> Use a dic" in html
    assert "cost $0.015000 · text recorded" in html
    assert "assignment 33333333-3333-4333-8333-333333333333" in html
    assert "<br />\nLeft out for lack of room: 2 earlier messages</p>" in html


def test_no_source_is_named_when_there_is_none() -> None:
    """The footer follows the text."""
    shown = make(sources=[])._repr_markdown_()
    assert shown.startswith("Use a *dictionary* [2].\n\n---\n\nAI-generated")


def test_passage_is_short_when_it_is_long() -> None:
    """A source names the place; whoever wants all of it has `answer.sources`."""
    long = QuotedSource.model_validate(source(passage="word\n" * 500))
    assert len(make(sources=[long])._repr_markdown_()) < 1_000


def test_plan_and_code_are_shown_when_asked_for() -> None:
    """The plan as its table instead of its summary; code as its files."""
    plan = build_plan(draft(("a", 10, [])), title="Lab")
    shown = make(prompt_type="planning", plan=plan, text="Plan for Lab: 1 tasks")._repr_html_()
    assert "<table>" in shown
    assert "1 tasks" not in shown
    code = Code(files=[FileDraft(path="a.py", language="python", content="x = 1\n")], notes=[])
    shown = make(prompt_type="codegen", code=code, text=as_markdown(code))._repr_html_()
    assert '<code class="language-python">x = 1\n</code>' in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_answer_is_harmless_when_its_texts_are_hostile(text: str) -> None:
    """Model, server, title and passage may say what they like."""
    hostile = source(title=text, place=text, passage=text)
    answer = make(
        text=text,
        sources=[QuotedSource.model_validate(hostile)],
        model_served=text,
        left_out=[text],
    )
    html = answer._repr_html_()
    assert_harmless(html)
    assert html.count("<hr") == html.count("<ul>") == 1


def test_notice_is_shown_when_the_model_leaves_its_code_open() -> None:
    """No text of a model can swallow the footer."""
    html = make(text="Look:\n\n```python\nx = 1")._repr_html_()
    assert "x = 1\n</code></pre>" in html
    assert f"<p>{NOTICE}<br />" in html
