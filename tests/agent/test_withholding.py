"""Consent looks back: what goes on with text that was written without it is not kept either."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from agent.answer import Answer
from agent.blocking import Assistant
from agent.errors import NotFoundError, NotIndexedError
from agent.requests import Call, Options
from agent.settings import Settings
from tests.agent.test_assistant import BRIEF, NOTE
from tests.agent.test_privacy import log_of, opened
from tests.servers.langsmith import LangSmithServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import running
from tests.test_access import QUESTION, installed

WORD, PLANNED = "quagmarmalade", "wimbledoodle"
UNKNOWN = str(uuid.UUID(int=0))


@pytest.fixture
def assistant(settings: Settings, tmp_path: Path) -> Iterator[Assistant]:
    """An assistant on the offline model, with one document."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    with Assistant(settings) as opened:
        opened.knowledge.add(tmp_path / "note.md")
        yield opened


def decide(assistant: Assistant, *, given: bool) -> None:
    """Give or withdraw the local person's consent."""
    assistant.admission.agreements.decide(assistant.local, "", given=given, door="python")


def chat(
    assistant: Assistant,
    message: str = QUESTION,
    *,
    thread: str | None = None,
    assignment: str | None = None,
    course: str = "",
) -> Answer:
    """Ask as the local person."""
    options = Options(prompt_type="chat", thread_id=thread, assignment_id=assignment, course=course)
    return assistant.ask(message, **options)


def test_thread_is_withheld_when_it_began_without_consent(assistant: Assistant) -> None:
    """Its first turn stands in every later prompt; a new thread is kept."""
    thread = chat(assistant, f"{QUESTION} I say {WORD}.").thread_id
    decide(assistant, given=True)
    later = [chat(assistant, thread=thread) for _ in range(2)]
    assert [answer.text_recorded for answer in later] == [False, False]
    assert WORD.encode() not in log_of(assistant)
    assert chat(assistant, f"{QUESTION} I say {PLANNED}.").text_recorded
    assert PLANNED.encode() in log_of(assistant)


def test_thread_is_kept_when_consent_was_given_for_all_of_it(assistant: Assistant) -> None:
    """A withdrawal between two turns, while nothing is said, takes nothing from either."""
    decide(assistant, given=True)
    thread = chat(assistant, f"{QUESTION} I say {WORD}.").thread_id
    decide(assistant, given=False)
    decide(assistant, given=True)
    answer = chat(assistant, "And then?", thread=thread)
    (run,) = assistant.stores.runs.latest(1)
    assert answer.text_recorded
    assert WORD in (run.prompt or "")


def test_thread_is_withheld_when_one_turn_had_no_consent(assistant: Assistant) -> None:
    """What was said between a withdrawal and the next agreement."""
    decide(assistant, given=True)
    thread = chat(assistant).thread_id
    decide(assistant, given=False)
    chat(assistant, f"{QUESTION} I say {WORD}.", thread=thread)
    decide(assistant, given=True)
    assert not chat(assistant, "And then?", thread=thread).text_recorded
    assert WORD.encode() not in log_of(assistant)


def test_thread_is_withheld_when_its_first_request_called_no_model(
    settings: Settings, tmp_path: Path
) -> None:
    """What was asked stands in the thread although nothing could be searched for it."""
    (tmp_path / "note.md").write_text(NOTE, "utf-8")
    thread = str(uuid.uuid4())
    with Assistant(settings) as assistant:
        with pytest.raises(NotIndexedError):
            chat(assistant, f"{QUESTION} I say {WORD}.", thread=thread)
        assert not assistant.stores.runs.latest(1)
        assistant.knowledge.add(tmp_path / "note.md")
        decide(assistant, given=True)
        answer = chat(assistant, "And then?", thread=thread)
        assert not answer.text_recorded
        assert WORD.encode() not in log_of(assistant)


def test_stream_says_that_nothing_is_recorded_when_its_thread_is_withheld(
    assistant: Assistant,
) -> None:
    """From its first event on."""
    thread = chat(assistant).thread_id
    decide(assistant, given=True)
    first, *_, done = assistant.stream("And then?", prompt_type="chat", thread_id=thread)
    assert [event.data["text_recorded"] for event in (first, done)] == [False, False]


def test_request_is_withheld_when_consent_comes_after_it(assistant: Assistant) -> None:
    """Its text was written before; the next one's is not."""
    admission = assistant.admission
    early = admission.admit(uuid.uuid4(), assistant.local, Call(QUESTION))
    decide(assistant, given=True)
    late = admission.admit(uuid.uuid4(), assistant.local, Call(QUESTION))
    assert [early.keeps_text, admission.may_keep(early.owner)] == [False, False]
    assert [late.keeps_text, admission.may_keep(late.owner)] == [True, True]


def test_assignment_is_withheld_when_planned_without_consent(assistant: Assistant) -> None:
    """Its brief stands in the prompt of whatever names it, and in every plan of it."""
    brief = f"{BRIEF}\n- It says {PLANNED}."
    made = assistant.ask(brief, prompt_type="planning").assignment_id
    decide(assistant, given=True)
    assert not chat(assistant, assignment=made).text_recorded
    again = assistant.ask("Plan it anew.", prompt_type="planning", assignment_id=made)
    assert not again.text_recorded
    assert not chat(assistant, assignment=made).text_recorded
    assert PLANNED.encode() not in log_of(assistant)


def test_plan_is_withheld_when_its_thread_is(assistant: Assistant) -> None:
    """A plan that was made from earlier turns carries them into other threads."""
    thread = chat(assistant, f"{QUESTION} I say {WORD}.").thread_id
    decide(assistant, given=True)
    made = assistant.ask(BRIEF, prompt_type="planning", thread_id=thread).assignment_id
    assert not chat(assistant, assignment=made).text_recorded


def test_assignment_is_kept_when_planned_with_consent(assistant: Assistant) -> None:
    """Also after a withdrawal and a new agreement, but not after a plan made between them."""
    decide(assistant, given=True)
    made = assistant.ask(BRIEF, prompt_type="planning").assignment_id
    decide(assistant, given=False)
    assert not chat(assistant, assignment=made).text_recorded
    decide(assistant, given=True)
    assert chat(assistant, assignment=made).text_recorded
    decide(assistant, given=False)
    assistant.ask("Plan it anew.", prompt_type="planning", assignment_id=made)
    decide(assistant, given=True)
    assert not chat(assistant, assignment=made).text_recorded


def test_withheld_thread_is_not_traced_when_consent_is_given_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangSmith gets the trace without a text; that of a new thread has its own."""
    sink, provider = LangSmithServer(), OpenAIServer("Noted.")
    with running(sink.app) as langsmith:
        key = SecretStr("ls-test-key")
        traced = {"langsmith_tracing": True, "langsmith_endpoint": langsmith}
        with opened(tmp_path, monkeypatch, provider, langsmith_api_key=key, **traced) as (it, who):
            first = it.ask(f"I say {WORD}.", caller=who, prompt_type="chat")
            it.admission.agreements.decide(who, "", given=True, door="http")
            it.ask("And?", caller=who, prompt_type="chat", thread_id=first.thread_id)
            it.ask(f"I say {PLANNED}.", caller=who, prompt_type="chat")
    bodies = b"".join(sink.bodies)
    assert WORD in repr(provider.requests[1])
    assert WORD.encode() not in bodies
    assert PLANNED.encode() in bodies


def test_thread_is_withheld_over_http_when_consent_comes_later(tmp_path: Path) -> None:
    """Nobody on the staff reads the first turn; the answer says that nothing is recorded."""
    with installed(tmp_path) as place:
        student, admin = place.key("ada", "student", "prog1"), place.key("adam", "admin")
        thread = place.ask(student, f"{QUESTION} I say {WORD}.")["thread_id"]
        place.client.put("/me/consent", json={"given": True}, headers=student).raise_for_status()
        assert not place.ask(student, "And then?", thread_id=thread)["text_recorded"]
        assert place.ask(student, f"{QUESTION} I say {PLANNED}.")["text_recorded"]
        read = place.read(admin, reason="Complaint 17 of 3 March").text
    assert PLANNED in read
    assert WORD not in read


def test_thread_is_kept_over_http_when_a_stranger_spoke_on_one_of_its_id(tmp_path: Path) -> None:
    """Nobody can have another's text withheld by going on with their thread."""
    with installed(tmp_path) as place:
        owner, stranger = (place.key(name, "student", "prog1") for name in ("ada", "ben"))
        place.client.put("/me/consent", json={"given": True}, headers=owner).raise_for_status()
        thread = place.ask(owner)["thread_id"]
        assert not place.ask(stranger, thread_id=thread)["text_recorded"]
        assert place.ask(owner, thread_id=thread)["text_recorded"]


def test_assignment_is_unknown_over_http_when_named_in_another_course(tmp_path: Path) -> None:
    """Its brief would stand before that course's staff; the refusal is that of an unknown id."""

    def ask(message: str = QUESTION, **more: str) -> httpx.Response:
        body = {"message": message, "prompt_type": "chat", **more}
        return place.client.post("/ask", json=body, headers=student)

    with installed(tmp_path) as place:
        student = place.key("kim", "student", "prog1", "prog2")
        made = ask(BRIEF, course="prog1", prompt_type="planning").json()["assignment_id"]
        own = ask(course="prog1", assignment_id=made)
        other = ask(course="prog2", assignment_id=made)
        unknown = ask(course="prog2", assignment_id=UNKNOWN)
    assert [own.status_code, other.status_code, unknown.status_code] == [200, 404, 404]
    assert own.json()["assignment_id"] == made
    said, wanted = (reply.json()["error"]["message"] for reply in (other, unknown))
    assert said == wanted.replace(UNKNOWN, made)


@pytest.mark.parametrize(("planned", "named"), [("", "prog1"), ("prog1", ""), ("prog1", "prog2")])
def test_assignment_stays_in_its_course_when_its_person_is_local(
    assistant: Assistant, planned: str, named: str
) -> None:
    """Whoever has the machine may ask in any course, and each has its own assignments."""
    made = assistant.ask(BRIEF, prompt_type="planning", course=planned).assignment_id
    assert chat(assistant, assignment=made, course=planned).assignment_id == made
    with pytest.raises(NotFoundError, match="There is no assignment"):
        chat(assistant, assignment=made, course=named)
