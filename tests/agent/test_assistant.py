"""The assistant as its users have it: real stores, a real index, the real graph."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from pydantic import PrivateAttr
from rich.console import Console

from agent.assistant import AsyncAssistant
from agent.blocking import Assistant
from agent.display import render_answer
from agent.errors import (
    AssistantError,
    DraftError,
    InputError,
    ModelError,
    NotFoundError,
    NotIndexedError,
    StorageError,
    TooLargeError,
)
from agent.models.catalogue import ModelCatalogue
from agent.models.served import ServedModel
from agent.settings import Settings
from graphs.context import ModelTask
from tests.fakes import ScriptedChatModel, reply
from tests.graphs.test_build import CYCLE, PLAN

BRIEF = (
    "# Word counter\nWrite a command line program in Python that counts words in a file.\n"
    "- It ignores case.\n- It prints the ten most frequent words.\n"
    "Hand in `wordcount.py` and `README.md` by 4 December 2026."
)
NOTE = "# Counting\n\nTo count words in Python, use collections.Counter and its most_common method."


class OneModel(ModelCatalogue):
    """A catalogue of one scripted model."""

    def __init__(self, settings: Settings, *replies: Any) -> None:
        super().__init__(settings)
        self.model: Any = ScriptedChatModel(
            replies=[r if isinstance(r, Exception) else reply(r) for r in replies]
        )

    def choose(self, task: ModelTask, *, asked: str = "") -> ServedModel:
        """Return the scripted model."""
        return ServedModel("openai:gpt-4o", self.model, 100_000, 1_000)


@pytest.fixture
def indexed(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose index holds one document."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as assistant:
        assistant.knowledge.add(tmp_path / "note.md")
    return settings


@pytest.fixture
def assistant(indexed: Settings) -> Iterator[Assistant]:
    """An assistant on the offline model."""
    with Assistant(indexed) as opened:
        yield opened


def scripted(settings: Settings, *replies: Any) -> Assistant:
    """Make an assistant whose model gives these replies."""
    return Assistant(settings, models=OneModel(settings, *replies))


def test_plan_is_kept_with_its_assignment_when_made(assistant: Assistant) -> None:
    """A plan has an assignment id, and the records of the request name it too."""
    answer = assistant.ask(BRIEF, prompt_type="planning")
    assert answer.plan is not None
    assert answer.plan.requirements.programming_language == "python"
    assert answer.plan.requirements.deadline is not None
    assert answer.plan.requirements.deadline.startswith("2026-12-04")
    stores = assistant.stores
    (kept,) = stores.assignments.all_of(stores.user_id)
    assert kept.assignment_id == answer.assignment_id
    assert kept.title == "Word counter"
    assert [run.assignment_id for run in stores.runs.of_root(answer.run_id)] == [
        answer.assignment_id
    ]


def test_answer_is_sourced_priced_and_marked_when_chatting(assistant: Assistant) -> None:
    """Everything that is promised about an answer stands on it."""
    answer = assistant.ask("How do I count words in Python?")
    assert answer.prompt_type == "chat"
    assert [source.title for source in answer.sources] == ["Counting"]
    assert "[1]" in answer.text
    assert "no language model" in answer.text.lower()
    assert answer.ai_generated is True
    assert answer.notice
    assert answer.cost_usd == 0.0
    assert answer.usage.input_tokens
    assert answer.model_asked == "offline:offline-1"
    root = assistant.stores.runs.get(answer.run_id)
    assert root is not None
    assert root.status == "done"


def test_second_turn_sees_the_first_when_the_assistant_was_reopened(indexed: Settings) -> None:
    """A thread outlives the assistant it was begun with."""
    with scripted(indexed, "Use a Counter.") as first:
        thread = first.ask("How do I count words?").thread_id
    models = OneModel(indexed, "With pytest.")
    with Assistant(indexed, models=models) as second:
        second.ask("And how is that tested?", thread_id=thread)
    texts = [message.text for message in models.model.sent[0]]
    assert "How do I count words?" in texts
    assert "Use a Counter." in texts


def test_question_knows_the_assignment_when_named(indexed: Settings) -> None:
    """Title, current task and tools of the plan reach the model."""
    models = OneModel(indexed, json.dumps(PLAN), "Fine.")
    with Assistant(indexed, models=models) as assistant:
        planned = assistant.ask(BRIEF, prompt_type="planning")
        assistant.ask("How do I begin?", prompt_type="chat", assignment_id=planned.assignment_id)
    message = models.model.sent[1][-1].text
    assert "Word counter" in message
    assert "Current task: Write the app" in message
    assert "Available tools: fastapi" in message


def test_cost_is_the_price_lists_when_a_model_is_paid(indexed: Settings) -> None:
    """Two calls of 1,000 + 500 tokens of gpt-4o."""
    with scripted(indexed, json.dumps(CYCLE), json.dumps(PLAN)) as assistant:
        answer = assistant.ask(BRIEF, prompt_type="planning")
    assert answer.cost_usd == 0.015
    assert answer.usage.input_tokens == 2_000


def test_draft_is_kept_when_the_model_answers_nonsense(indexed: Settings) -> None:
    """Two failed drafts are a clear error, and nothing written is lost."""
    with scripted(indexed, "Sorry, I would rather not.") as assistant:
        with pytest.raises(DraftError, match="failed its check 2 times") as caught:
            assistant.ask(BRIEF, prompt_type="planning")
        (kept,) = assistant.stores.assignments.all_of(assistant.stores.user_id)
    assert caught.value.run_id
    assert kept.draft == "Sorry, I would rather not."
    assert kept.plan is None


def test_error_hides_its_cause_when_the_model_fails(indexed: Settings) -> None:
    """The model and the kind of failure are named; the provider's words are not."""
    with (
        scripted(indexed, RuntimeError("key sk-123 and a prompt")) as assistant,
        pytest.raises(ModelError, match=r"openai:gpt-4o failed \(RuntimeError\)") as caught,
    ):
        assistant.ask("What is a dict?")
    assert "sk-123" not in str(caught.value)


def test_failure_of_our_own_is_not_blamed_on_a_model(
    indexed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected leaves as a bare sentence."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with Assistant(indexed) as assistant:
        monkeypatch.setattr(assistant.knowledge, "search", fail)
        with pytest.raises(AssistantError, match=r"\(ZeroDivisionError\)") as caught:
            assistant.ask("What is a dict?")
    assert type(caught.value) is AssistantError


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        ({"message": "  "}, InputError, "empty"),
        ({"message": "a\0b"}, InputError, "NUL"),
        ({"message": "\ud800"}, InputError, "Unicode"),
        ({"message": "x" * 1_000_001}, TooLargeError, "1,000,001 bytes"),
        ({"message": "hi", "prompt_type": "poem"}, InputError, "'poem' is not known"),
        ({"message": "hi", "thread_id": "../x"}, InputError, "thread_id '../x' is not a UUID"),
        ({"message": "hi", "assignment_id": "x"}, InputError, "is not a UUID"),
        (
            {"message": "hi", "assignment_id": "00000000-0000-4000-8000-000000000000"},
            NotFoundError,
            "no assignment '00000000",
        ),
        ({"message": "hi", "model": "openai:gpt-99"}, InputError, "not in the catalogue"),
    ],
)
def test_call_is_refused_when_it_is_wrong(
    assistant: Assistant, call: dict[str, Any], kind: type[AssistantError], said: str
) -> None:
    """What, which value, what to do; and no run is opened."""
    with pytest.raises(kind, match=said):
        assistant.ask(**call)
    assert not assistant.stores.runs.latest(1)


def test_call_is_refused_when_nothing_is_indexed(settings: Settings) -> None:
    """The way out is named."""
    with (
        Assistant(settings) as assistant,
        pytest.raises(NotIndexedError, match="assist index add"),
    ):
        assistant.ask("What is a dict?")


def test_no_text_is_recorded_when_consent_is_withdrawn(assistant: Assistant) -> None:
    """Consent is read for each run; the thread itself goes on."""
    consent, user = assistant.stores.consent, assistant.stores.user_id
    consent.decide(user, "given", door="terminal")
    first = assistant.ask("How do I count words in Python?")
    consent.decide(user, "withdrawn", door="terminal")
    second = assistant.ask("How do I sort them?", thread_id=first.thread_id)
    kept, withheld = assistant.stores.runs.oldest_first()
    assert first.text_recorded
    assert kept.prompt
    assert "count words" in kept.prompt
    assert not second.text_recorded
    assert (withheld.prompt, withheld.response) == (None, None)


def test_graph_is_recorded_when_invoked_directly(assistant: Assistant) -> None:
    """A notebook needs no config: one record a model call, under the local person."""
    question: Any = {"messages": [{"role": "user", "content": "What is a dict?"}]}
    values = assistant.graph.invoke(question)
    assert values["messages"][-1].text
    (run,) = assistant.stores.runs.latest(10)
    assert run.user_id == assistant.stores.user_id
    assert run.status == "done"


@pytest.mark.anyio
async def test_turns_wait_for_each_other_when_on_one_thread(indexed: Settings) -> None:
    """Five requests at once on one thread leave five questions and five answers in it."""
    async with AsyncAssistant(indexed) as assistant:
        first = await assistant.ask("What is a dict?")
        ask = partial(assistant.ask, prompt_type="chat", thread_id=first.thread_id)
        answers = await asyncio.gather(*(ask(f"What is {n}?") for n in range(5)))
        last = await ask("And then?")
    assert len({answer.run_id for answer in (*answers, first, last)}) == 7
    with Assistant(indexed) as reopened:
        assert len(reopened.stores.runs.latest(50)) == 7


@pytest.mark.anyio
async def test_sync_assistant_answers_when_a_loop_already_runs(indexed: Settings) -> None:
    """As in a notebook."""
    with Assistant(indexed) as assistant:
        assert assistant.ask("What is a dict?").text


@pytest.mark.anyio
async def test_event_loop_is_free_when_a_request_is_answered(indexed: Settings) -> None:
    """Nothing blocks the loop: stores, index and checkpoints are reached from threads."""
    async with AsyncAssistant(indexed) as assistant:
        await assistant.warm()
        with blockbuster_ctx():
            answer = await assistant.ask("How do I count words in Python?")
    assert answer.sources


def test_words_in_brackets_are_shown_when_a_plan_holds_them(indexed: Settings) -> None:
    """Routes and types in brackets are text, not markup."""
    task = {**PLAN["tasks"][0], "description": "Add GET [/users] and list[int]"}  # type: ignore[index]  # JSON
    with scripted(indexed, json.dumps({**PLAN, "tasks": [task]})) as assistant:
        answer = assistant.ask("# Lab [/b]\nplan it", prompt_type="planning")
    console = Console(file=StringIO(), width=120)
    console.print(render_answer(answer))
    assert "[/users] and list[int]" in console.file.getvalue()  # type: ignore[attr-defined]  # StringIO
    assert "Lab [/b]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_answer_is_stored_when_a_model_breaks_an_emoji(indexed: Settings) -> None:
    """Half a surrogate pair is replaced before it can break a store or an answer."""
    with scripted(indexed, "Half an emoji \ud83d here.") as assistant:
        consent = assistant.stores.consent
        consent.decide(assistant.stores.user_id, "given", door="terminal")
        assert assistant.ask("What is a dict?").text == "Half an emoji ? here."
        assert assistant.stores.runs.latest(1)[0].response == "Half an emoji ? here."


def test_end_is_said_to_be_missing_when_the_model_stopped_at_its_limit(indexed: Settings) -> None:
    """Half an answer is not passed off as a whole one."""
    models = OneModel(indexed, "x")
    models.model = ScriptedChatModel(replies=[reply("Half an ans", finish_reason="length")])
    with Assistant(indexed, models=models) as assistant:
        answer = assistant.ask("What is a dict?")
    assert answer.left_out == ["the end of the answer, which the model cut at its length limit"]
    console = Console(file=StringIO(), width=120)
    console.print(render_answer(answer))
    assert "Left out for lack of room: the end" in console.file.getvalue()  # type: ignore[attr-defined]


class Sleeping(ScriptedChatModel):
    """Never answers, and says when it was asked."""

    _asked: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        self._asked.set()
        await asyncio.sleep(60)


@pytest.mark.anyio
async def test_request_is_settled_when_its_caller_leaves(indexed: Settings) -> None:
    """Cancelling an ask stops the model and closes every row."""
    models = OneModel(indexed, "x")
    models.model = Sleeping(replies=[])
    async with AsyncAssistant(indexed, models=models) as assistant:
        task = asyncio.create_task(assistant.ask("What is a dict?"))
        await models.model._asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (run,) = await asyncio.to_thread(assistant.stores.runs.latest, 5)
        root = await asyncio.to_thread(assistant.stores.runs.get, run.root_run_id)
    assert run.status == "cancelled"
    assert root is not None
    assert root.status == "cancelled"


def test_thread_store_is_blamed_when_it_fails(
    indexed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLite says about a thread is translated."""

    async def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error of a secret")

    monkeypatch.setattr("langgraph.checkpoint.sqlite.aio.AsyncSqliteSaver.aput", fail)
    with Assistant(indexed) as assistant, pytest.raises(StorageError) as caught:
        assistant.ask("What is a dict?")
    assert "secret" not in str(caught.value)


def test_nothing_is_left_open_when_opening_fails(settings: Settings) -> None:
    """A store that cannot be opened closes what was opened before it."""
    settings.data_dir.mkdir()
    (settings.data_dir / "threads.db").mkdir()
    with pytest.raises(AssistantError):
        Assistant(settings)
