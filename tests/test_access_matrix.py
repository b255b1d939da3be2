"""Every route by every kind of caller, and the ways around a route; the page says the same."""

import re
import reprlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from agent.privacy.access import ACTIONS, POLICY, Reach, Rule
from agent.privacy.keys import KeyStore
from agent.settings import Settings, variable_name
from server import create_app
from tests.agent.test_assistant import BRIEF
from tests.test_access import QUESTION, REASON, Place, bearer, installed

PAGE = (Path(__file__).parents[1] / "docs" / "access.md").read_text("utf-8")
REACHES: dict[Reach, str] = {
    "self": "one's own",
    "courses": "own courses",
    "courses or none": "own courses, or none",
    "all": "all",
}


@dataclass(frozen=True)
class Case:
    """One thing that a caller may want of a route."""

    method: str
    path: str
    json: dict[str, Any] | None = None
    params: dict[str, str] = field(default_factory=dict)

    def send(self, client: httpx.Client, headers: dict[str, str], **ids: str) -> httpx.Response:
        """Send it; `ids` are what stands in braces."""
        body = self.json and {
            k: v.format(**ids) if v is str(v) else v for k, v in self.json.items()
        }
        path = self.path.format(**ids)
        return client.request(self.method, path, json=body, params=self.params, headers=headers)


ASK = {"message": QUESTION, "prompt_type": "chat"}
READ = {"course": "prog1", "reason": REASON}
CASES = {
    "ask": Case("POST", "/ask", ASK),
    "ask in prog1": Case("POST", "/ask", {**ASK, "course": "prog1"}),
    "ask nowhere": Case("POST", "/ask", {**ASK, "course": "prog9"}),
    "ask of an assignment": Case("POST", "/ask", {**ASK, "assignment_id": "{assignment}"}),
    "go on with a thread": Case("POST", "/ask", {**ASK, "thread_id": "{thread}"}),
    "open a source": Case("GET", "/sources/{document_id}"),
    "judge a run": Case("POST", "/runs/{run}/feedback", {"rating": "positive"}),
    "see consent": Case("GET", "/me/consent"),
    "see consent of prog1": Case("GET", "/me/consent", params={"course": "prog1"}),
    "decide": Case("PUT", "/me/consent", {"given": False}),
    "decide in prog1": Case("PUT", "/me/consent", {"given": False}, {"course": "prog1"}),
    "export": Case("GET", "/me/export"),
    "read prog1": Case("GET", "/interactions", params=READ),
    "read prog1, no reason": Case("GET", "/interactions", params={"course": "prog1"}),
    "read everything": Case("GET", "/interactions", params={"reason": REASON}),
    "read the audit log": Case("GET", "/audit"),
    "live": Case("GET", "/live"),
    "ready": Case("GET", "/ready"),
    "home": Case("GET", "/"),
    "description": Case("GET", "/openapi.json"),
    "description shown": Case("GET", "/docs"),
    "description, other": Case("GET", "/redoc"),
    "description, sign-in": Case("GET", "/docs/oauth2-redirect"),
}
"""All that can be asked of the server; the owner's run, assignment and thread are meant."""
ELSEWHERE = {("DELETE", "/me")}
"""Tried as every kind of caller in `test_me.py`, because whoever asks for it is gone afterwards."""

MATRIX = """
                       owner mate outsider teacher colleague auditor admin nobody revoked expired garbled
ask                    200   200  200      200     200       403     200   401    401     401     401
ask in prog1           200   200  404      200     404       403     200   401    401     401     401
ask nowhere            404   404  404      404     404       403     404   401    401     401     401
ask of an assignment   200   404  404      404     404       403     404   401    401     401     401
go on with a thread    200   200  200      200     200       403     200   401    401     401     401
open a source          200   200  200      200     200       403     200   401    401     401     401
judge a run            200   404  404      404     404       404     404   401    401     401     401
see consent            200   200  200      200     200       200     200   401    401     401     401
see consent of prog1   200   200  404      200     404       404     200   401    401     401     401
decide                 200   200  200      200     200       200     200   401    401     401     401
decide in prog1        200   200  404      200     404       404     200   401    401     401     401
export                 200   200  200      200     200       200     200   401    401     401     401
read prog1             403   403  403      200     403       403     200   401    401     401     401
read prog1, no reason  403   403  403      403     403       403     403   401    401     401     401
read everything        403   403  403      403     403       403     200   401    401     401     401
read the audit log     403   403  403      403     403       200     200   401    401     401     401
live                   200   200  200      200     200       200     200   200    200     200     200
ready                  200   200  200      200     200       200     200   200    200     200     200
home                   200   200  200      200     200       200     200   200    200     200     200
description            200   200  200      200     200       200     200   200    200     200     200
description shown      200   200  200      200     200       200     200   200    200     200     200
description, other     200   200  200      200     200       200     200   200    200     200     200
description, sign-in   200   200  200      200     200       200     200   200    200     200     200
"""  # noqa: E501 - a table is read in columns
"""A stranger's thread id opens a thread of one's own; `test_access.py` holds what is in it."""
STAFF = [case for name, case in CASES.items() if name.startswith("read ")]


@dataclass(frozen=True)
class Scene:
    """An installation, the headers of each kind of caller, and the ids of the owner's things."""

    place: Place
    callers: dict[str, dict[str, str]]
    ids: dict[str, str]

    def answer(self, case: Case, caller: str, **other: str) -> httpx.Response:
        """Return what a caller gets."""
        return case.send(self.place.client, self.callers[caller], **{**self.ids, **other})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One installation with one of each."""
    with installed(tmp_path_factory.mktemp("matrix")) as place:
        callers = {
            "owner": place.key("owner", "student", "prog1"),
            "mate": place.key("mate", "student", "prog1"),
            "outsider": place.key("outsider", "student", "prog2"),
            "teacher": place.key("teacher", "teacher", "prog1"),
            "colleague": place.key("colleague", "teacher", "prog2"),
            "auditor": place.key("auditor", "auditor"),
            "admin": place.key("admin", "admin"),
            "nobody": {},
            **dead_keys(place),
        }
        plan = place.ask(callers["owner"], BRIEF, prompt_type="planning")
        names = {"run": "run_id", "assignment": "assignment_id", "thread": "thread_id"}
        ids = {name: plan[key] for name, key in names.items()}
        (source, *_) = place.ask(callers["owner"])["sources"]
        yield Scene(place, callers, {**ids, "document_id": source["document_id"]})


def dead_keys(place: Place) -> dict[str, dict[str, str]]:
    """Return keys of an administrator that open nothing, or nothing any more."""
    revoked, info = place.stores.keys.create("gone", "admin")
    place.stores.keys.revoke(info.prefix)
    then = datetime.now(UTC) - timedelta(days=2)
    stores = place.stores
    past = KeyStore(stores.database, stores.people, stores.secret, clock=lambda: then)
    expired, _ = past.create("gone", "admin", expires_at=then + timedelta(days=1))
    past.close()
    alive, _ = place.stores.keys.create("gone", "admin")
    garbled = alive[:-1] + ("B" if alive.endswith("A") else "A")
    return {"revoked": bearer(revoked), "expired": bearer(expired), "garbled": bearer(garbled)}


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return every method and path that an app serves; HEAD is GET without the body."""
    return {
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or {"any"}) - {"HEAD"}
    }


def expectations() -> dict[str, dict[str, int]]:
    """Read the matrix: by case and caller, the status."""
    head, *lines = MATRIX.strip("\n").splitlines()
    rows = {line[:23].strip(): map(int, line[23:].split()) for line in lines}
    return {name: dict(zip(head.split(), row, strict=True)) for name, row in rows.items()}


def test_route_is_listed_when_it_is_served() -> None:
    """A new route fails here until the matrix says who may use it."""
    assert list(expectations()) == list(CASES)
    listed = {(case.method, case.path) for case in CASES.values()}
    assert listed | ELSEWHERE == routes_of(create_app(Settings(auth="keys")))


def test_route_is_found_when_it_is_new() -> None:
    """What the list is compared with holds what a router brings along."""
    app, router = create_app(Settings(auth="keys")), APIRouter(prefix="/new")
    router.add_api_route("/thing", lambda: None, methods=["DELETE"])
    app.include_router(router)
    assert ("DELETE", "/new/thing") in routes_of(app)


@pytest.mark.parametrize("name", CASES)
def test_caller_is_answered_as_listed_when_asking(scene: Scene, name: str) -> None:
    """Every cell of the matrix."""
    expected = expectations()[name]
    assert set(expected) == set(scene.callers)
    found = {caller: scene.answer(CASES[name], caller).status_code for caller in expected}
    assert found == expected


@pytest.mark.parametrize("caller", ["mate", "outsider", "teacher", "admin"])
@pytest.mark.parametrize(
    ("name", "kind"), [("judge a run", "run"), ("ask of an assignment", "assignment")]
)
def test_strangers_id_is_answered_as_an_unknown_one_when_used(
    scene: Scene, name: str, kind: str, caller: str
) -> None:
    """The same status, the same words, the same headers."""
    unknown = str(uuid.uuid4())
    known = scene.answer(CASES[name], caller)
    none = scene.answer(CASES[name], caller, **{kind: unknown})
    assert known.status_code == none.status_code == 404
    assert without(known.text, scene.ids[kind]) == without(none.text, unknown)
    assert {**known.headers, "date": ""} == {**none.headers, "date": ""}


def without(text: str, one: str) -> str:
    """Take an id out of a text, whole or shortened."""
    return text.replace(one, "ID").replace(reprlib.repr(one), repr("ID"))


@pytest.mark.parametrize("extra", ["user_id", "role", "owner", "consent", "caller"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.json])
def test_body_is_refused_when_it_says_who_asks(scene: Scene, name: str, extra: str) -> None:
    """Whose a request is stands in the key alone."""
    case = CASES[name]
    more = Case(case.method, case.path, {**(case.json or {}), extra: "admin"}, case.params)
    response = scene.answer(more, "owner")
    assert response.status_code == 422
    assert response.json()["error"]["message"] == f"{extra}: is not a field of this request"


def test_every_body_is_tried_when_a_route_takes_one() -> None:
    """The test above leaves no route out."""
    paths = create_app(Settings(auth="keys")).openapi()["paths"]
    taking = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, described in methods.items()
        if "requestBody" in described
    }
    assert taking == {(case.method, case.path) for case in CASES.values() if case.json}


@pytest.mark.parametrize("caller", ["owner", "nobody"])
@pytest.mark.parametrize(
    "shape",
    [
        "/{name}/", "//{name}", "/{name}//", "/./{name}", "/me/../{name}", "/me/..%2F{name}",
        "/%2F{name}", "/{name}%2F", "/{upper}", "/{title}", "/{encoded}", "/{name};x=1",
        "/{name}%00", "/{name}%20", "/{name}.json", "/live/../{name}", "/docs/{name}",
        "/live?/../{name}", "http://127.0.0.1/{name}", "http://127.0.0.1/live?/{name}",
    ],
)  # fmt: skip
def test_staff_route_stays_closed_when_its_path_is_bent(
    scene: Scene, shape: str, caller: str
) -> None:
    """No spelling of a path leads past the check, also where a redirect is followed."""
    client, headers = scene.place.client, scene.callers[caller]
    for name in ("interactions", "audit"):
        encoded = f"%{ord(name[0]):x}{name[1:]}"
        path = shape.format(name=name, upper=name.upper(), title=name.title(), encoded=encoded)
        target = f"{path}{'&' if '?' in path else '?'}course=prog1&reason=Complaint+of+3+March"
        # As it stands: httpx alone would put the path in order first.
        response = client.get("/", headers=headers, extensions={"target": target.encode()})
        if response.is_redirect:
            response = client.get(response.headers["location"], headers=headers)
        is_live = response.text == '{"status":"live"}'
        assert is_live or response.status_code in {400, 401, 403, 404}, (path, response.text)


@pytest.mark.parametrize("caller", ["owner", "nobody"])
@pytest.mark.parametrize("case", STAFF, ids=lambda case: f"{case.path} {list(case.params)}")
def test_staff_route_stays_closed_when_the_method_is_another(
    scene: Scene, case: Case, caller: str
) -> None:
    """No method, and no header that stands for one, is let in."""
    headers = scene.callers[caller]
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "PROPFIND"):
        bent = Case(method, case.path, None, case.params)
        assert bent.send(scene.place.client, headers).status_code >= 400, method
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        for method in ("GET", "POST", "DELETE"):
            sent = {**headers, name: "GET"}
            bent = Case(method, case.path, None, {**case.params, "_method": "GET"})
            assert bent.send(scene.place.client, sent).status_code in {401, 403, 405}


@pytest.mark.parametrize(
    "name", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix"]
)
def test_staff_route_stays_closed_when_a_header_names_it(scene: Scene, name: str) -> None:
    """The path is the request's own; headers of proxies do not replace it."""
    for path, status in (("/live", 200), ("/nowhere", 404), ("/audit", 403)):
        sent = {**scene.callers["owner"], name: "/audit" if path != "/audit" else "/live"}
        response = scene.place.client.get(path, headers=sent)
        assert response.status_code == status
        assert "reader" not in response.text


@pytest.mark.parametrize("host", ["127.0.0.1/live?", "127.0.0.1/live#", "127.0.0.1:8000/docs?x="])
def test_staff_route_stays_closed_when_the_host_is_bent(scene: Scene, host: str) -> None:
    """What a request is for is not read from its `Host`."""
    sent = {**scene.callers["owner"], "Host": host}
    response = scene.place.client.get("/audit", headers=sent)
    assert response.status_code in {400, 403}


@pytest.mark.parametrize("since", ["yesterday", "3 March 2026", "2026-13-01"])
def test_audit_log_is_not_said_to_be_empty_when_the_date_is_none(scene: Scene, since: str) -> None:
    """A slip in a date is named, as the terminal does; it is no empty list."""
    case = Case("GET", "/audit", params={"since": since})
    assert scene.answer(case, "auditor").status_code == 422


def cell(rule: Rule | None) -> str:
    """Say how far a rule reaches."""
    if rule is None:
        return "-"
    return REACHES[rule.reach] + (", for a stated reason" if rule.needs_reason else "")


def test_table_of_the_page_is_the_policy_when_read() -> None:
    """Who may do what stands there as the code has it."""
    rows = [
        f"| {meaning} | {' | '.join(cell(rules.get(action)) for rules in POLICY.values())} |"
        for action, meaning in ACTIONS.items()
    ]
    head = f"| | {' | '.join(POLICY)} |\n|---|{'---|' * len(POLICY)}"
    assert "\n".join([head, *rows]) in PAGE


def test_page_names_real_commands_and_settings_when_read() -> None:
    """Each `assist …` command of the page exists, and so does each setting."""
    import typer

    from agent.cli import app

    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    named = re.findall(r"assist (keys|audit|course) ([a-z-]+)", PAGE)
    assert named
    assert [one for group, one in named if one not in groups[group].commands] == []
    known = {variable_name(name) for name in Settings.model_fields}
    assert set(re.findall(r"ASSIST_[A-Z_]+", PAGE)) <= known
