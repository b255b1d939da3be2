"""What is planted in a student's texts, and where it may be found afterwards: nowhere else."""

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from agent.blocking import Assistant
from agent.privacy.access import Caller
from agent.recording.run_store import Run
from agent.settings import Settings
from tests.agent.test_providers import connected
from tests.graphs.test_build import PLAN
from tests.servers.langsmith import LangSmithServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import running

COURSE = 'name = "Programming 1"\nteachers = ["meier"]\n'
ROSTER = """login,first name,last name,e-mail,student id,username
zquill,Zenobia,Quillfeather,zenobia.quillfeather@quillmail.ch,20-884-913,zquill
mvant,Marguerite,Vantongeren,m.vantongeren@quillmail.ch,20-884-914,mvant
"""
IDENTIFIERS = [
    "Zenobia Quillfeather", "Quillfeather", "zenobia.quillfeather@quillmail.ch", "20-884-913",
    "Marguerite Vantongeren", "m.vantongeren@quillmail.ch", "+41 44 268 19 53",
    "CH93 0076 2011 6238 5295 7", "4539 1488 0343 6467", "sk-proj-Zk3vQ8mT1xW7yR5nB2cD",
]  # fmt: skip
"""What a redactor has to find, by the enrolment, the roster, or its form."""
WORDS = [f"zanzibar{number:02d}quux" for number in range(30)]
"""Words that only the absence of consent keeps out."""
PLANTED = [*IDENTIFIERS, *WORDS]
MESSAGE = (
    f"Hi, I am {IDENTIFIERS[0]} ({IDENTIFIERS[2]}, student id {IDENTIFIERS[3]}). With "
    f"{IDENTIFIERS[4]} <{IDENTIFIERS[5]}> I count words in Python. Call {IDENTIFIERS[6]}, pay "
    f"IBAN {IDENTIFIERS[7]} or card {IDENTIFIERS[8]}; my key is {IDENTIFIERS[9]}. How? "
    + " ".join(WORDS)
)


@contextmanager
def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: OpenAIServer, **changes: Any
) -> Iterator[tuple[Assistant, Caller]]:
    """Open an assistant with a course and its people; return it with the student who asks."""
    courses = tmp_path / "data" / "courses"
    courses.mkdir(parents=True)
    (courses / "prog1.toml").write_text(COURSE, "utf-8")
    (tmp_path / "people.csv").write_text(ROSTER, "utf-8")
    with running(provider.app) as base:
        settings: Settings = connected(tmp_path, monkeypatch, base, **changes)
        with Assistant(settings) as assistant:
            assistant.stores.roster.import_roster("prog1", tmp_path / "people.csv")
            key, _ = assistant.stores.keys.create("zquill", "student", ["prog1"])
            yield assistant, assistant.admission.caller_of(key)


def encodings(word: str) -> Iterator[bytes]:
    """Yield a word as a store may hold it."""
    plain = word.encode()
    yield plain
    yield word.encode("utf-16-le")
    yield plain.hex().encode()
    yield json.dumps(word)[1:-1].encode()
    yield zlib.compress(plain)[2:-4]
    for shift in range(3):
        # The first and the last signs depend on what stands around the word.
        yield base64.b64encode(b"x" * shift + plain)[(0, 2, 3)[shift] :].rstrip(b"=")[:-1]


def found(haystack: bytes, planted: list[str]) -> list[str]:
    """Return the planted words that stand there in any encoding."""
    return [word for word in planted if any(code in haystack for code in encodings(word))]


def log_of(assistant: Assistant) -> bytes:
    """Return every row of the record, and what else of the log lies in its table."""
    with assistant.stores.database.read() as session:
        rows = session.scalars(select(Run)).all()
    return repr([vars(row) for row in rows]).encode()


def check_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], runs: int
) -> None:
    """Ask without consent, with it, and after its withdrawal; look everywhere each time."""
    sink = LangSmithServer()
    provider = OpenAIServer(f"Use a Counter. You said: {MESSAGE}")
    with running(sink.app) as langsmith:
        tracing = {
            "langsmith_tracing": True,
            "langsmith_endpoint": langsmith,
            "langsmith_api_key": SecretStr("ls-test-key"),
        }
        with opened(tmp_path, monkeypatch, provider, **tracing) as (assistant, student):

            def ask(times: int) -> bytes:
                for number in range(times):
                    if number % 2:
                        list(assistant.stream(MESSAGE, caller=student, prompt_type="chat"))
                    else:
                        assistant.ask(MESSAGE, caller=student, prompt_type="chat")
                return log_of(assistant)

            consent = assistant.admission.agreements
            assert found(ask(runs), PLANTED) == []
            consent.decide(student, "", given=True, door="http")
            with_consent = ask(2)
            assert assistant.flush()
            assert set(found(with_consent, PLANTED)) == set(WORDS)
            consent.decide(student, "", given=False, door="http")
            before = len(log_of(assistant))
            assert found(ask(2)[before:], PLANTED) == []
    bodies = b"".join(sink.bodies)
    assert set(found(bodies, PLANTED)) == set(WORDS)
    kept = [run for run in sink.runs.values() if WORDS[0] in repr(run)]
    assert {run["trace_id"] for run in kept} <= {run["trace_id"] for run in sink.runs.values()}
    assert len({run["trace_id"] for run in kept}) == 2
    printed = capfd.readouterr()
    assert found(f"{printed.out}{printed.err}".encode(), PLANTED) == []
    assert set(found(repr(provider.requests).encode(), PLANTED)) >= set(WORDS)  # the control


def test_no_planted_word_is_kept_when_nobody_consented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """40 markers in 8 encodings: none without consent, with it the redacted texts alone."""
    check_places(tmp_path, monkeypatch, capfd, 4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_planted_word_is_kept_in_five_hundred_runs_when_nobody_consented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same, as often as a course asks in a day."""
    check_places(tmp_path, monkeypatch, capfd, 500)


@pytest.mark.parametrize("streamed", [True, False])
def test_model_sees_placeholders_when_it_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, streamed: bool
) -> None:
    """What went out holds no identifier; in the answer, whole or in pieces, they are back."""
    reply = "Dear <PERSON_1>, mail <EMAIL_1> or <person_2>. Nobody is <PERSON_9>."
    provider = OpenAIServer(reply)
    with opened(tmp_path, monkeypatch, provider, outbound_redaction="always") as (it, student):
        if streamed:
            events = list(it.stream(MESSAGE, caller=student, prompt_type="chat"))
            text = "".join(event.data["text"] for event in events if event.name == "token")
            assert text == events[-1].data["text"]
        else:
            text = it.ask(MESSAGE, caller=student, prompt_type="chat").text
    sent = json.dumps(provider.requests).encode()
    assert found(sent, IDENTIFIERS) == []
    assert set(found(sent, WORDS)) == set(WORDS)
    assert text == (
        "Dear Zenobia Quillfeather, mail zenobia.quillfeather@quillmail.ch or Marguerite "
        "Vantongeren. Nobody is <PERSON_9>."
    )


def test_next_turn_is_redacted_too_when_a_thread_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread remembers what was said; what is sent of it is redacted anew."""
    provider = OpenAIServer("Dear <PERSON_1>, use a dict.")
    with opened(tmp_path, monkeypatch, provider, outbound_redaction="always") as (it, student):
        first = it.ask(MESSAGE, caller=student, prompt_type="chat")
        it.ask("And then?", caller=student, prompt_type="chat", thread_id=first.thread_id)
    assert "Zenobia" in first.text
    assert len(provider.requests[-1]["messages"]) > len(provider.requests[0]["messages"])
    assert found(json.dumps(provider.requests).encode(), IDENTIFIERS) == []


@pytest.mark.parametrize(
    ("setting", "course", "is_redacted"),
    [
        ("always", "", True),
        ("always", "outbound_redaction = false\n", False),
        ("never", "", False),
        ("remote", "", False),
    ],
)
def test_model_sees_names_when_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, course: str, *, is_redacted: bool
) -> None:
    """A course can turn it off; a model on this machine is not elsewhere."""
    monkeypatch.setattr("tests.agent.test_privacy.COURSE", f"{COURSE}{course}")
    provider = OpenAIServer("Use a dict.")
    with opened(tmp_path, monkeypatch, provider, outbound_redaction=setting) as (it, student):
        it.ask(MESSAGE, caller=student, prompt_type="chat")
    sent = json.dumps(provider.requests).encode()
    assert (found(sent, IDENTIFIERS) == []) == is_redacted


def test_comment_is_redacted_when_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people write beside a rating may name others."""
    with opened(tmp_path, monkeypatch, OpenAIServer("Use a dict.")) as (assistant, student):
        assistant.admission.agreements.decide(student, "", given=True, door="http")
        run_id = assistant.ask("What is a dict?", caller=student).run_id
        said = f"{IDENTIFIERS[4]} told me already."
        kept = assistant.give_feedback(run_id, rating="neutral", comment=said, caller=student)
    assert kept.comment == "<PERSON_1> told me already."


def test_forms_are_replaced_when_the_graph_is_invoked_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is known there, but an e-mail is one; the answer has it back."""
    provider = OpenAIServer("Mail <EMAIL_1>.")
    with opened(tmp_path, monkeypatch, provider, outbound_redaction="always") as (assistant, _):
        ask: Any = {"messages": [("user", f"What is a dict? {IDENTIFIERS[2]}")]}
        values = assistant.graph.invoke(ask)
    assert found(json.dumps(provider.requests).encode(), [IDENTIFIERS[2]]) == []
    assert values["messages"][-1].text == f"Mail {IDENTIFIERS[2]}."


@pytest.mark.parametrize("streamed", [True, False])
def test_plan_has_the_names_back_when_the_model_saw_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, streamed: bool
) -> None:
    """Also in a draft, however deep a text lies in it."""
    draft = {**PLAN, "risk_factors": ["<PERSON_2> is away in week 2"]}
    provider = OpenAIServer(json.dumps(draft))
    with opened(tmp_path, monkeypatch, provider, outbound_redaction="always") as (it, student):
        if streamed:
            *_, done = it.stream(MESSAGE, caller=student, prompt_type="planning")
            risks = done.data["plan"]["risk_factors"]
        else:
            plan = it.ask(MESSAGE, caller=student, prompt_type="planning").plan
            risks = plan.risk_factors if plan else []
    assert found(json.dumps(provider.requests).encode(), IDENTIFIERS) == []
    assert risks == ["Marguerite Vantongeren is away in week 2"]


def test_embeddings_see_placeholders_when_they_are_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question is sent there too, to be searched with."""
    provider = OpenAIServer("Use a dict.")
    remote = {"embeddings": "openai:text-embedding-3-small", "outbound_redaction": "always"}
    with opened(tmp_path, monkeypatch, provider, **remote) as (assistant, student):
        provider.embedded.clear()
        assistant.ask(MESSAGE, caller=student, prompt_type="chat")
    assert provider.embedded
    assert found(json.dumps(provider.embedded).encode(), IDENTIFIERS) == []


def test_code_comes_back_as_it_was_when_it_holds_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each spelling has its own placeholder on the way out, so none turns into another."""
    provider = OpenAIServer("Rename `class <PERSON_1>` to <PERSON_2>.")
    with opened(tmp_path, monkeypatch, provider, outbound_redaction="always") as (it, student):
        ask = "Is class Quillfeather a good name, says Zenobia Quillfeather? What is a dict?"
        text = it.ask(ask, caller=student, prompt_type="chat").text
    assert text == "Rename `class Quillfeather` to Zenobia Quillfeather."


def test_consent_can_be_withdrawn_when_the_course_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right does not end with the term."""
    over = f"{COURSE}starts = 2020-01-01\nends = 2020-06-30\n"
    monkeypatch.setattr("tests.agent.test_privacy.COURSE", over)
    with opened(tmp_path, monkeypatch, OpenAIServer("Hi.")) as (assistant, student):
        _, given = assistant.admission.agreements.decide(student, "", given=True, door="http")
        assert given.given
        _, withdrawn = assistant.admission.agreements.decide(student, "", given=False, door="http")
        assert withdrawn.state == "withdrawn"
        _, status = assistant.admission.agreements.consent_of(student, "")
    assert status.state == "withdrawn"


def test_title_is_left_out_of_the_record_when_nobody_consented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not fit is named by its number; a title may name people."""
    with opened(tmp_path, monkeypatch, OpenAIServer("Hi."), model_window=2_000) as (it, student):
        for number, thing in enumerate(("lists", "files", "tables", "web pages")):
            note = tmp_path / f"note-{number}.md"
            text = f"Count the words of {thing} with {thing} in {thing}. " * 25
            note.write_text(f"# Counting by {IDENTIFIERS[4]}\n\n{text}")
            it.knowledge.add(note)
        it.ask("How do I count words?", caller=student, prompt_type="chat")
        (run,) = it.stores.runs.latest(1)
    assert run.left_out
    assert "Vantongeren" not in repr(run.left_out)


def test_thread_is_another_when_the_course_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The staff of one course do not read what was said in another."""
    provider = OpenAIServer("Hi.")
    with opened(tmp_path, monkeypatch, provider) as (it, student):
        (tmp_path / "data" / "courses" / "prog2.toml").write_text('name = "Two"\n', "utf-8")
        both = Caller(student.user_id, student.name, "student", ("prog1", "prog2"))
        courses = {**it.admission.courses.courses}
        courses["prog2"] = courses["prog1"].model_copy(update={"id": "prog2"})
        it.admission.courses.courses.update(courses)  # type: ignore[attr-defined]  # a dict
        first = it.ask(f"Hi {WORDS[0]}", caller=both, course="prog1", prompt_type="chat")
        it.ask("And?", caller=both, course="prog2", prompt_type="chat", thread_id=first.thread_id)
    assert WORDS[0] not in json.dumps(provider.requests[-1])
