"""Redaction: what is replaced, what stays, and that the text never gets out."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.cli.privacy import app
from agent.errors import InputError
from agent.privacy.redaction import Enrolment, Placeholders, Redactor, Roster
from agent.privacy.redaction.redactor import _REMEMBERED
from agent.privacy.redaction.spans import Find, settle

TOMAS = Enrolment("Tomás", "Ferreira", "tomas.ferreira@alunos.pt", "s8812345", "tferreira")
ROSE = Enrolment("Rose", "Marsh", "rose.marsh@uni.edu", "20213377", "rmarsh")
ANDRE = Enrolment("D'Andre", "O'Neil-Wright", "d.oneil@kings.edu", "A1234567", "dre99")
COURSE = Roster(
    [
        "Amara Nwosu", "Grace Lake", "Petersen, Lars", "Dr. Helen Voss", "Max Planck-Lee", "王伟",
        "Иван Сидоров", "Mark Hunter", "Jürgen Müller", "Sanne van der Meer", "May Summers",
        "Priya N. Patel", "Anna Lee", "Anna Berg",
    ]
)  # fmt: skip


def check(marked: str, enrolment: Enrolment | None, roster: Roster | None = None) -> None:
    """Redact a text whose personal data stands in [[ ]]; nothing else may be replaced."""
    plain = re.sub(r"\[\[|\]\]", "", marked)
    expected = re.findall(r"\[\[(.*?)\]\]", marked, re.S)
    spans = Redactor(enrolment, roster or COURSE).redact(plain).spans
    assert [plain[span.start : span.end] for span in spans] == expected


@pytest.mark.parametrize(
    "marked",
    [
        "I'm [[Tomás Ferreira]], student number [[s8812345]], group B",
        "hello, [[tomas ferreira]] here. can u check my code?",
        "[[FERREIRA, Tomás]] - lab 3, or [[T. Ferreira]]",
        'git config user.name "[[Tomás Ferreira]]"',
        "git config user.email [[tomas.ferreira@alunos.pt]]",
        "Author: [[Tomas Ferreira]] <[[tomas.ferreira@alunos.pt]]>\nDate: Mon Nov 2",
        "package com.[[tferreira]].lab2;\n\npublic class Main { }",
        "/**\n * @author [[Tomás Ferreira]]\n */\npublic class Foo {}",
        "bash: /home/[[tferreira]]/lab/run.sh: Permission denied",
        r'File "C:\Users\[[tferreira]]\lab\sort.py", line 7',
        '{"name": "[[Tomás Ferreira]]", "id": "[[S8812345]]"}',
        "decomposed: [[Toma\u0301s Ferreira]] ok",
        "mail [[tomas.\u200bferreira@alunos\u200b.pt]] please",
        "my name is [[Tomás\nFerreira]] and",
        "# by [[Tomas\n# Ferreira]]",
        "[[ferreira_tomas]]_hw3.zip and [[TomasFerreira]]HW.java",
    ],
)
def test_sender_is_found_when_written_in_any_way(marked: str) -> None:
    """Order, case, accents, invisible characters, paths, packages and wrapped lines."""
    check(marked, TOMAS)


@pytest.mark.parametrize(
    ("marked", "enrolment"),
    [
        ("Thanks,\n[[Rose]]", ROSE),
        ("hi im [[rose]], whats a binary tree", ROSE),
        ("The rose flower class extends Plant", ROSE),
        ("Rose tree in Haskell", ROSE),
        ("[[D\u2019Andre O\u2019Neil-Wright]] and [[dandre oneil-wright]]", ANDRE),
        ("Grace period? In May the lake froze, mark my words", TOMAS),
        ("[[Grace]] said the tests fail, and [[May Summers]] in May", TOMAS),
        ("Mark the node as visited, then max heap", TOMAS),
        ("Petersen graph colouring with Gram-Petersen", TOMAS),
        ("[[Lars Petersen]]'s part and [[Petersen]] again", TOMAS),
        ("[[Juergen Mueller]], [[Jürgen Müller]], [[Jurgen Muller]]", TOMAS),
        ("[[Sanne van der Meer]] / [[Van der Meer, Sanne]]", TOMAS),
        ("[[Priya Patel]], [[Priya N. Patel]], [[Patel, P.]]", TOMAS),
        ("我和[[王伟]]一起做, [[Иван Сидоров]] помог", TOMAS),
        ("compute a nwosu number in FooBarBaz", TOMAS),
        ("may summers be long; mark hunter.visited", TOMAS),
        ("[[Amara]], [[Nwosu]] and [[Nwosu, Amara]]", TOMAS),
        ("i asked [[amara nwosu]] but amaranth is a plant", TOMAS),
    ],
)
def test_name_is_judged_by_its_words_when_it_is_a_word_too(
    marked: str, enrolment: Enrolment
) -> None:
    """A flower, a month and a graph are nobody; next to a cue they are."""
    check(marked, enrolment)


@pytest.mark.parametrize(
    "marked",
    [
        "key [[sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7]] gives 401",
        "aws_access_key_id = [[AKIAJ4KQ7ZP2MXW9RT3B]]",
        "postgres://[[ferr:Xk9!pq2z]]@db.school.pt/app",
        "curl -H 'Authorization: Bearer [[aB3dE5fG7hJ9kL1mN3pQ5rS7]]'",
        "https://hooks.slack.com/services/[[T0AB12CD/B0EF34GH/aB3dE5fG7hJ9kL1m]]",
        "my password is [[Blue7Horse!]] help",
        "[[-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----]]",
        "IBAN [[DE44 5001 0517 5407 3249 31]] ok",
        "IBAN [[DE44-5001-0517-5407-3249-31]] ok",
        "my enrollment number is [[20231187]], his enrolment no. [[20231188]]",
        "card [[4634 9508 5810 5440]] and [[340376792748116]]",
        "ssn [[536-22-8726]]",
        "call me on [[+44 20 7946 1834]] or [[(268) 828-1795]] x",
        "ssh root@[[51.15.33.201]], [[2a02:8108:8ac0:1::25]]",
        "My address is [[221B Baker Street, London NW1 6XE]].",
        "I moved to [[Musterstraße 12, 10115 Berlin]] yesterday",
        "write to [[tomas [dot] silva [at] uni [dot] pt]]",
        "my discord is [[tomferr#1234]], linkedin.com/in/[[tom-f]]",
        "my passport number is [[X1234567]], I was born [[March 3, 2002]]",
        "[[jean.baptiste@uni.pt]] belongs with Monday and [[Jean Baptiste]]",
        "My roommate [[Kwabena Osei]] wrote it. [[Kwabena]] also tested.",
        "my teammates [[Olu]], [[Bente]] and [[Siiri]] agreed",
        "Hi [[Kwame]],\ncan you help?\n\nBest regards,\n[[Sunniva Aas]]",
        "Co-authored-by: [[Nils Dahl]] <[[nils@dahl.se]]>",
        "[[Nils Dahl]]\nExample Ltd\n[[nils@dahl.se]]",
    ],
)
def test_value_is_found_when_nobody_listed_it(marked: str) -> None:
    """Forms with a check, cues, grammar."""
    check(marked, None)


@pytest.mark.parametrize(
    "text",
    [
        "Guido van Rossum made Python; Dijkstra's algorithm vs Bellman-Ford",
        "I'm Using Visual Studio Code with Spring Boot. This is Python code, right?",
        "Merge Sort works, Quick Sort finished. My teacher says Java is better",
        "Problem 3 Magic Square and 4 Perfect Square; run 5 tests in Test Suite 2",
        "x = A @ B.T; y = W@x.to(device); nums[1::2]; [k-1::-1]",
        "hash 5d41402abc4b2a76b9719d911017c592 at 1700000000, 555-555-0199, 4111 1111 1111 1111",
        "uuid 123e4567-e89b-12d3-a456-426614174000, ISBN 978-3-16-148410-0",
        "be2768f2-90e2-4b09-9cb0-84ce0131744b, ee9756de-8ab8-4923-b154-c3799eb5be7e",
        "run 70384a09-07db-4ed8-be44-a918eb4107d0, 27BBD893-D400-4367-BE40-FA81E53528F4",
        "use user@example.com or you@domain.tld; git@github.com:tiangolo/fastapi.git",
        "http://127.0.0.1:8000, 10.0.0.5, 8.8.8.8, version 10.15.7.1, 1.2.3.4",
        "I think this is Kruskal's algorithm, written by Donald Knuth",
        "https://username:password@example.com postgres://ferr:Xk9pq2z@localhost/db",
        "api_key = 'Your-Key-123-goes-here'",
        "set PASSWORD=your_password_here; api_key = os.environ['API_KEY']",
        "/home/user/x /Users/student/y C:\\Users\\Public\\z",
        "def Hello(): return {'from': 'Berlin', 'to': 'Hamburg', 'name': 'Foo'}",
        "list(range(10))[1::2] and [k-1::-1]; grad = y10@model.weight",
        "n = [613-995-0253]\nfor x in n:\n    print(x)",
        "x = f(1)\ny = g(x)\nKwame Osei said hello to the tests\nreturn y;",
        "card 378282246310005, sk-xxxxxxxxxxxxxxxxxxxx, Authorization: Bearer authorization-token",
        "see Test Suite 2 for 3 cases, my code is located in 3 files of one folder",
        "Exercise 3 Binary Grove",
        "it took 12 lines down the street",
        "a JaneDoeLab is not PeterPanClass1",
        "card 4634 9508 5810 5441, IBAN DE45 5001 0517 5407 3249 31",
    ],
)
def test_text_stays_when_it_only_looks_personal(text: str) -> None:
    """Algorithms, tools, examples of manuals, numbers whose check digits do not hold."""
    check(text, None, Roster())


def test_placeholder_is_the_same_when_the_value_comes_again() -> None:
    """Also in a later text, another spelling, or by a name that stands for the same person."""
    redactor = Redactor(TOMAS, COURSE)
    first = redactor.redact("Tomás Ferreira, a.b@uni.pt, Amara Nwosu, A.B@uni.pt")
    assert first.text == "<PERSON_1>, <EMAIL_1>, <PERSON_2>, <EMAIL_1>"
    assert first.names == ("<PERSON_1>", "<EMAIL_1>", "<PERSON_2>", "<EMAIL_1>")
    assert redactor.redact("c@uni.pt from Amara, to tomas").text == (
        "<EMAIL_2> from <PERSON_2>, to <PERSON_1>"
    )


def test_placeholders_are_carried_when_they_are_handed_on() -> None:
    """A conversation outlives one redactor; another conversation counts for itself."""
    placeholders = Placeholders()
    Redactor(placeholders=placeholders).redact("a.b@uni.pt")
    assert Redactor(placeholders=placeholders).redact("x@y.pt a.b@uni.pt").text == (
        "<EMAIL_2> <EMAIL_1>"
    )
    assert Redactor().redact("x@y.pt").text == "<EMAIL_1>"


def test_name_stands_for_itself_when_two_people_share_it() -> None:
    """`Anna` is neither Anna Lee nor Anna Berg."""
    redacted = Redactor(None, COURSE).redact("Anna Lee and Anna Berg; Anna broke it")
    assert redacted.names == ("<PERSON_1>", "<PERSON_2>", "<PERSON_3>")


@given(st.text(max_size=60), st.sampled_from(["Tomás Ferreira", "x.y@uni.pt", "51.15.33.201"]))
def test_redacted_text_stays_when_it_is_redacted_again(noise: str, value: str) -> None:
    """Placeholders are left alone, also by a redactor that did not make them."""
    once = Redactor(TOMAS, COURSE).redact(f"{noise} {value} {noise}").text
    assert Redactor(TOMAS, COURSE).redact(once).text == once


def test_short_values_of_a_record_stay_when_they_are_words() -> None:
    """A number of two digits, a username that is a verb, a name that is a language."""
    mark = Enrolment(username="mark", student_id="12")
    check("mark 12 nodes in ~[[mark]]/lab", mark)
    check("Ruby said undefined method; [[Ruby]] and I tried", None, Roster(["Ruby Chen"]))


def test_placeholder_stays_when_a_name_reads_like_one() -> None:
    """Somebody called Person is in the course."""
    redactor = Redactor(None, ["Ana Person"])
    assert redactor.redact("<PERSON_7> met Person").text == "<PERSON_7> met <PERSON_1>"


def test_accent_goes_with_its_letter_when_the_name_ends() -> None:
    """A decomposed accent, and a letter that unfolds to two, belong to the span."""
    redactor = Redactor(Enrolment("Rene\u0301", "Strauß"))
    assert (
        redactor.redact("I am Rene\u0301, Rene\u0301 Strauß!").text
        == "I am <PERSON_1>, <PERSON_1>!"
    )


def test_earlier_claim_wins_when_two_overlap() -> None:
    """From the left, from the right, within and around."""
    first = Find(10, 20, "EMAIL")
    others = [Find(5, 11, "IP"), Find(19, 30, "IP"), Find(12, 15, "IP"), Find(5, 30, "IP")]
    beside = [Find(5, 10, "IP"), Find(20, 22, "IP")]
    assert settle([first, *others, *beside]) == [beside[0], first, beside[1]]


@given(st.text(max_size=200))
def test_spans_fit_when_the_text_is_any(text: str) -> None:
    """In order, apart, inside the text, and the redacted text is what they say."""
    redacted = Redactor(TOMAS, COURSE).redact(text)
    place, rebuilt = 0, ""
    for span, name in zip(redacted.spans, redacted.names, strict=True):
        assert place <= span.start < span.end <= len(text)
        rebuilt += text[place : span.start] + name
        place = span.end
    assert rebuilt + text[place:] == redacted.text


def test_text_is_read_once_when_it_comes_again() -> None:
    """The memory holds the digest and the redacted copy, and it is bounded."""
    redactor = Redactor(TOMAS)
    assert redactor.redact("tferreira") is redactor.redact("tferreira")
    for number in range(_REMEMBERED + 10):
        redactor.redact(f"tferreira {number}")
    assert len(redactor._memory) == _REMEMBERED
    assert "tferreira" not in repr(redactor._memory)


def test_hash_is_returned_when_redacting_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, the text does not get out; a broken text is no failure."""

    def broken(_: Redactor, text: str) -> None:
        raise RecursionError(text)

    assert Redactor(TOMAS).redact_or_hash("I am Tomás \ud800") == "I am <PERSON_1> \ud800"
    monkeypatch.setattr(Redactor, "_redact", broken)
    stored = Redactor(TOMAS).redact_or_hash("I am Tomás \ud800")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", stored)


def test_rows_are_written_when_a_file_is_redacted(tmp_path: Path) -> None:
    """Spans are places in the text that came in; a row without a record is fine."""
    rows = [
        {"id": 1, "text": "hi im rose", "enrolment": {"first": "Rose", "last": "Marsh"}},
        {"id": "b", "text": "Amara is here", "roster": ["Amara Nwosu"], "enrolment": None},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    result = CliRunner().invoke(app, ["redact", "--jsonl", str(path)])
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "id": 1,
            "text": "hi im <PERSON_1>",
            "spans": [{"start": 6, "end": 10, "type": "PERSON"}],
        },
        {
            "id": "b",
            "text": "<PERSON_1> is here",
            "spans": [{"start": 0, "end": 5, "type": "PERSON"}],
        },
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"id": 1}',
        b"\xff",
        b'{"text": "a", "enrolment": 3}',
        b'{"text": "a", "roster": [1]}',
    ],
)
def test_file_is_refused_when_a_row_is_wrong(tmp_path: Path, content: bytes) -> None:
    """The error names the place and shows none of the text."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["redact", "--jsonl", str(path)])
    assert isinstance(result.exception, InputError)
    assert str(path) in str(result.exception)
