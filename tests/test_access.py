"""Who may do what over HTTP, on a running server that asks for keys."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import validate
from sqlalchemy import select, text

from agent.blocking import Assistant
from agent.errors import SettingsError
from agent.recording.run_store import Run
from agent.settings import Settings, check_host
from agent.stores import Stores
from server import create_app
from tests.agent.recording.test_export import INTERACTION
from tests.agent.test_assistant import NOTE
from tests.servers.openai import OpenAIServer
from tests.servers.running import running
from tests.test_server import serving, wait_until_ready

QUESTION = "How do I count words in Python?"
REASON = "Complaint 17 of 3 March"
WORDING = "In Programming 1, teachers read your texts if you agree."
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the address that has to be refused; nothing listens on it


@dataclass(frozen=True)
class Place:
    """A running server, and the stores behind it."""

    client: httpx.Client
    stores: Stores

    def key(self, name: str, role: str, *courses: str) -> dict[str, str]:
        """Make a key, and return the headers of whoever holds it."""
        return bearer(self.stores.keys.create(name, role, courses)[0])

    def ask(self, headers: dict[str, str], message: str = QUESTION, **more: str) -> dict[str, Any]:
        """Ask, and return the answer."""
        body = {"message": message, "prompt_type": "chat", **more}
        response = self.client.post("/ask", json=body, headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def read(self, headers: dict[str, str], **wanted: str | int) -> httpx.Response:
        """Read the record's content."""
        return self.client.get("/interactions", params=wanted, headers=headers)

    def calls(self, **wanted: str) -> list[Run]:
        """Return the recorded model calls whose columns have these values."""
        query = select(Run).where(Run.run_type == "llm").filter_by(**wanted)
        with self.stores.database.read() as session:
            return list(session.scalars(query))


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def installed(folder: Path, **changes: Any) -> Iterator[Place]:
    """Serve an installation with keys, two courses and one indexed document."""
    courses = folder / "data" / "courses"
    courses.mkdir(parents=True)
    (courses / "prog1.toml").write_text('name = "One"\nconsent_text = "wording.md"\n', "utf-8")
    (courses / "wording.md").write_text(WORDING, "utf-8")
    (courses / "prog2.toml").write_text('name = "Two"\nteachers = ["fred"]\n', "utf-8")
    (folder / "note.md").write_text(NOTE, "utf-8")
    settings = Settings(data_dir=folder / "data", **{"auth": "keys", **changes})
    with Assistant(settings) as assistant:
        assistant.knowledge.add(folder / "note.md")
    stores = Stores.open(settings)
    try:
        with serving(settings) as client:
            wait_until_ready(client)
            yield Place(client, stores)
    finally:
        stores.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One installation for the tests here; each brings its own people."""
    with installed(tmp_path_factory.mktemp("access")) as opened:
        yield opened


def enrol(place: Place, folder: Path, course: str, login: str) -> None:
    """Make a course's people one person."""
    (folder / "people.csv").write_text(f"First name,Last name,Login\nA,B,{login}\n", "utf-8")
    place.stores.roster.import_roster(course, folder / "people.csv")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_thread_holds_no_foreign_words_when_a_stranger_goes_on_with_it(
    tmp_path: Path, accept: str
) -> None:
    """The model reads nothing of the owner's, and the owner's nothing of the stranger's."""
    model = OpenAIServer("Noted.")
    with running(model.app) as base:
        served = {"openai_base_url": f"{base}/v1", "openai_api_key": "any"}
        models = {"strong_model": "openai:gpt-4o", "fast_model": "openai:gpt-4o"}
        with installed(tmp_path, **served, **models) as place:
            owner, stranger = (place.key(name, "student", "prog1") for name in ("ada", "ben"))
            thread = place.ask(owner, "My word is quagmarmalade.")["thread_id"]
            model.requests.clear()
            body = {"message": "My word is wimbledoodle; yours?", "thread_id": thread}
            sent = {**stranger, "Accept": accept}
            place.client.post("/ask", json={**body, "prompt_type": "chat"}, headers=sent)
            seen_by_stranger = json.dumps(model.requests)
            model.requests.clear()
            place.ask(owner, "What is my word?", thread_id=thread)
            seen_by_owner = json.dumps(model.requests)
    assert "wimbledoodle" in seen_by_stranger
    assert "quagmarmalade" not in seen_by_stranger
    assert "quagmarmalade" in seen_by_owner
    assert "wimbledoodle" not in seen_by_owner


def test_record_is_the_key_holders_when_something_else_names_another(place: Place) -> None:
    """Neither the query nor a header nor a cookie decides whose a request is."""
    mine, other = place.key("olga", "student", "prog1"), place.stores.people.user_id("otto")
    headers = {**mine, "X-User": "otto", "X-User-Id": other, "X-Forwarded-User": "otto"}
    place.client.post(
        "/ask",
        json={"message": QUESTION},
        params={"user_id": other, "role": "admin", "course": "prog2"},
        headers={**headers, "Cookie": f"user_id={other}; role=admin"},
    ).raise_for_status()
    run, *_ = place.calls(user_id=place.stores.people.user_id("olga"))
    assert run.course == "prog1"
    assert place.calls(user_id=other) == []


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ("Bearer {key}", 200),
        ("bearer  {key} ", 200),
        ("{key}", 401),
        ("Basic {key}", 401),
        ("Bearer", 401),
        ("Bearer {key}x", 401),
        ("Bearer {key} {key}", 401),
        ("Bearer {cut}", 401),
    ],
)
def test_key_is_taken_when_it_stands_alone_behind_bearer(
    place: Place, shape: str, status: int
) -> None:
    """The whole key, by the one scheme."""
    key, _ = place.stores.keys.create("nora", "student", ["prog1"])
    sent = {"Authorization": shape.format(key=key, cut=key[:-1]).strip()}
    assert place.client.get("/me/consent", headers=sent).status_code == status


def test_key_is_not_looked_for_when_it_stands_elsewhere(place: Place) -> None:
    """Addresses and cookies are written to logs; a key in them opens nothing."""
    key, _ = place.stores.keys.create("nina", "student", ["prog1"])
    query = {"key": key, "access_token": key, "authorization": f"Bearer {key}"}
    cookie = {"Cookie": f"authorization={key}", "X-Api-Key": key}
    response = place.client.get("/me/consent", params=query, headers=cookie)
    assert response.status_code == 401
    assert key not in response.text


def test_key_opens_nothing_when_it_was_revoked_a_moment_ago(place: Place) -> None:
    """The next request after the revocation is refused, though the one before was answered."""
    key, info = place.stores.keys.create("rita", "student", ["prog1"])
    assert place.client.get("/me/consent", headers=bearer(key)).status_code == 200
    place.stores.keys.revoke(info.prefix)
    assert place.client.get("/me/consent", headers=bearer(key)).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"course": "prog1"}, "stated reason"),
        ({"course": "prog1", "reason": "because"}, "stated reason"),
        ({"course": "prog1", "reason": " " * 20}, "stated reason"),
        ({"course": "prog1", "reason": "two lines\nof a reason"}, "stated reason"),
        ({"reason": REASON}, "Name a course"),
        ({"course": "", "reason": REASON}, "Name a course"),
        ({"course": "prog2", "reason": REASON}, "not one of those"),
        ({"course": "prog%", "reason": REASON}, "not one of those"),
        ({"course": "nowhere", "reason": REASON}, "not one of those"),
    ],
)
def test_teacher_reads_nothing_when_reason_or_course_is_wrong(
    place: Place, wanted: dict[str, str], said: str
) -> None:
    """Refused in a sentence, and nothing was read that would have to be written down."""
    teacher = place.key("tess", "teacher", "prog1")
    before = len(place.stores.audit.list(None))
    response = place.read(teacher, **wanted)
    assert response.status_code == 403
    assert said in response.json()["error"]["message"]
    assert len(place.stores.audit.list(None)) == before


def test_reading_is_written_down_when_a_teacher_states_a_reason(place: Place) -> None:
    """Who, why and exactly the ids, by person; the calls of that course alone."""
    teacher = place.key("tara", "teacher", "prog1")
    place.ask(place.key("ida", "student", "prog1"))
    place.ask(place.key("jon", "student", "prog2"))
    before = len(place.stores.audit.list(None))
    found = place.read(teacher, course="prog1", reason=REASON, limit=1_000).json()
    for one in found:
        validate(one, INTERACTION)
    ids = [one["metadata"]["run_id"] for one in found]
    assert sorted(ids) == sorted(run.run_id for run in place.calls(course="prog1"))
    assert place.calls(course="prog2")
    entries = place.stores.audit.list(None)
    entries = entries[: len(entries) - before]
    for entry in entries:
        assert (entry.reader, entry.role) == (place.stores.people.user_id("tara"), "teacher")
        assert (entry.reason, entry.course, entry.door) == (REASON, "prog1", "http")
        assert (entry.action, entry.object_kind) == ("read content", "run")
    assert {entry.subject: entry.ids for entry in entries} == by_person(found)
    assert place.stores.audit.verify().intact


def by_person(found: list[dict[str, Any]]) -> dict[str | None, list[str]]:
    """Return the ids of interactions by whose they are."""
    ids: dict[str | None, list[str]] = {}
    for one in found:
        ids.setdefault(one["user_id"], []).append(one["metadata"]["run_id"])
    return ids


def test_page_is_written_down_when_it_is_a_part(place: Place) -> None:
    """`limit` and `user_id` narrow the reading and its entry alike."""
    teacher = place.key("thea", "teacher", "prog1")
    student = place.key("lena", "student", "prog1")
    for headers in (student, student, place.key("lone", "student", "prog1")):
        place.ask(headers)
    person = place.stores.people.user_id("lena")
    found = place.read(teacher, course="prog1", reason=REASON, user_id=person, limit=1).json()
    entry = place.stores.audit.list(1)[0]
    assert [one["metadata"]["run_id"] for one in found] == entry.ids
    assert ([one["user_id"] for one in found], entry.subject) == ([person], person)


def test_reading_goes_on_when_the_last_call_is_named(place: Place) -> None:
    """Page by page everything is read, each call once; what names no call is refused by name."""
    teacher = place.key("tena", "teacher", "prog1")
    for name in ("pola", "pavel", "pola"):
        place.ask(place.key(name, "student", "prog1"))
    wanted = {"course": "prog1", "reason": REASON}
    whole = place.read(teacher, **wanted, limit=1_000).json()
    pages = [place.read(teacher, **wanted, limit=2).json()]
    while len(pages[-1]) == 2:
        last = pages[-1][-1]["metadata"]["run_id"]
        pages.append(place.read(teacher, **wanted, limit=2, before=last).json())
    assert [one for page in pages for one in page] == whole
    before = len(place.stores.audit.list(None))
    place.ask(place.key("paul", "student", "prog2"))
    foreign = place.calls(course="prog2")[0].run_id
    for wrong, said in (("yesterday", "before: is not a UUID"), (foreign, "before: '0")):
        response = place.read(teacher, **wanted, before=wrong)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_input")
        assert said in response.json()["error"]["message"]
    assert len(place.stores.audit.list(None)) == before


def test_course_that_was_checked_is_read_when_two_are_named(place: Place) -> None:
    """A parameter that comes twice does not open another course."""
    place.ask(place.key("mara", "student", "prog1"))
    teacher = place.key("theo", "teacher", "prog2")
    for courses in (["prog1", "prog2"], ["prog2", "prog1"]):
        params = {"course": courses, "reason": REASON}
        response = place.client.get("/interactions", params=params, headers=teacher)
        found = response.json() if response.status_code == 200 else []
        assert {one["metadata"]["course"] for one in found} <= {"prog2"}


def test_course_is_ones_own_when_its_file_or_roster_says_so(place: Place, tmp_path: Path) -> None:
    """Who teaches and who is enrolled need no course on their key, and get no more than that."""
    enrol(place, tmp_path, "prog1", "vera")
    assert place.ask(place.key("vera", "student"), course="prog1")
    teacher, student = place.key("fred", "teacher"), place.key("fred", "student")
    assert place.read(teacher, course="prog2", reason=REASON).status_code == 200
    assert place.read(teacher, course="prog1", reason=REASON).status_code == 403
    assert place.read(student, course="prog2", reason=REASON).status_code == 403


def test_course_stays_closed_when_its_reader_only_attends_it(place: Place, tmp_path: Path) -> None:
    """A teacher of one course who is a student of another does not read their fellow students."""
    enrol(place, tmp_path, "prog2", "tutor")
    tutor = place.key("tutor", "teacher", "prog1")
    assert place.read(tutor, course="prog1", reason=REASON).status_code == 200
    assert place.read(tutor, course="prog2", reason=REASON).status_code == 403


def test_default_course_is_read_when_it_is_named(place: Place) -> None:
    """Calls of people without a course are found under the name that the course has."""
    place.ask(place.key("dora", "student"))
    found = place.read(place.key("adam", "admin"), course="default", reason=REASON).json()
    assert found


def test_nothing_is_read_when_the_reading_cannot_be_written_down(tmp_path: Path) -> None:
    """An audit log whose head was changed from outside keeps every content back."""
    with installed(tmp_path) as place:
        student = place.key("ida", "student", "prog1")
        place.client.put("/me/consent", json={"given": True}, headers=student)
        place.ask(student, "Is a quagmarmalade countable in Python?")
        admin = place.key("adam", "admin")
        assert "quagmarmalade" in place.read(admin, reason=REASON).text
        with place.stores.database.begin() as session:
            session.execute(text("UPDATE audit_head SET entry = entry + 1"))
        response = place.read(admin, reason=REASON)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "storage")
        assert "quagmarmalade" not in response.text
        assert len(place.stores.audit.list(None)) == 1


def test_auditor_sees_the_reading_when_asking_for_its_people(place: Place) -> None:
    """Who read, or whose content, and what; the texts themselves are not in it."""
    for name in ("emil", "erna"):
        place.ask(place.key(name, "student", "prog1"))
    read = place.read(place.key("tilo", "teacher", "prog1"), course="prog1", reason=REASON).json()
    auditor, reader = place.key("aude", "auditor"), place.stores.people.user_id("tilo")
    for name in ("emil", "erna"):
        subject = place.stores.people.user_id(name)
        params = {"reader": reader, "subject": subject}
        response = place.client.get("/audit", params=params, headers=auditor)
        (entry,) = response.json()
        assert (entry["reader"], entry["reason"]) == (reader, REASON)
        assert entry["object_ids"] == by_person(read)[subject]
        assert QUESTION not in response.text
    response = place.client.get("/audit", params={"reader": reader}, headers=auditor)
    assert {one["subject"] for one in response.json()} == set(by_person(read))


def test_consent_is_of_one_person_and_wording_when_given(place: Place) -> None:
    """Another person's stays, and so does one's own about another course."""
    both, other = place.key("kim", "student", "prog1", "prog2"), place.key("pia", "student")
    courses = [{"course": "prog1"}, {"course": "prog2"}]
    before = [place.client.get("/me/consent", params=c, headers=both).json() for c in courses]
    assert [one["text"] == WORDING for one in before] == [True, False]
    assert [one["state"] for one in before] == ["never asked", "never asked"]
    decided = place.client.put("/me/consent", json={"given": True}, params=courses[0], headers=both)
    assert decided.json()["given"] is True
    after = [place.client.get("/me/consent", params=c, headers=both).json() for c in courses]
    assert [one["given"] for one in after] == [True, False]
    assert place.client.get("/me/consent", headers=other).json()["state"] == "never asked"


def test_text_is_recorded_when_its_own_writer_agreed(place: Place) -> None:
    """One's words stand in the record from the agreement to the withdrawal; nobody else's do."""
    agreed, silent = (place.key(name, "student", "prog1") for name in ("greta", "silas"))
    for given, word in ((True, "quagmarmalade"), (False, "wimbledoodle")):
        place.client.put("/me/consent", json={"given": given}, headers=agreed).raise_for_status()
        place.ask(agreed, f"{QUESTION} I am greta and say {word}.")
        place.ask(silent, f"{QUESTION} I am silas and say {word}.")
    teacher = place.key("tom", "teacher", "prog1")
    seen = place.read(teacher, course="prog1", reason=REASON, limit=1_000).text
    assert "greta and say quagmarmalade" in seen
    assert "wimbledoodle" not in seen
    assert "silas" not in seen
    silas = place.calls(user_id=place.stores.people.user_id("silas"))
    assert {(run.prompt, run.response) for run in silas} == {(None, None)}


def test_scheme_is_named_when_a_key_is_missing(place: Place) -> None:
    """A 401 says how to authenticate: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2 ."""
    assert "Bearer" in place.client.get("/me/consent").headers.get("www-authenticate", "")


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        (EVERYWHERE, False),
        ("::", False),
        ("192.168.1.5", False),
        ("2001:db8::1", False),
        ("localhost.example.org", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_address_is_refused_when_others_reach_it_without_keys(host: str, *, is_own: bool) -> None:
    """Without keys on this machine's own addresses alone; with keys on any."""
    check_host(Settings(auth="keys"), host)
    if is_own:
        check_host(Settings(auth="local"), host)
        return
    with pytest.raises(SettingsError, match="assist keys create"):
        check_host(Settings(auth="local"), host)


def test_command_ends_when_others_would_be_served_without_keys() -> None:
    """Exit code 2 and a sentence, before anything listens."""
    command = [sys.executable, "-m", "agent.cli", "serve", "--host", EVERYWHERE]
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=root, timeout=60
    )
    assert ended.returncode == 2
    assert "ASSIST_AUTH=keys" in ended.stderr
    assert "Serving" not in ended.stderr


def test_host_is_refused_when_it_is_not_one_of_the_allowed(tmp_path: Path) -> None:
    """With keys any name is answered, unless the operator lists them."""
    named = Settings(data_dir=tmp_path, auth="keys", allowed_hosts="assist.example.org, localhost")
    for settings, status in ((named, 400), (named.model_copy(update={"allowed_hosts": ""}), 200)):
        with running(create_app(settings)) as base:
            strange = httpx.get(f"{base}/live", headers={"Host": "evil.example"})
            known = httpx.get(f"{base}/live", headers={"Host": "assist.example.org"})
        assert (strange.status_code, known.status_code) == (status, 200)
