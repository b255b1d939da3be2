"""What is configured, where it comes from, and whether what it points to answers."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agent.database import utc_now
from agent.errors import AssistantError, translate
from agent.knowledge import Knowledge
from agent.models.catalogue import ModelCatalogue
from agent.models.embeddings import MINILM, identity_of, make_embeddings
from agent.prices import PriceList, has_prices, host_of
from agent.settings import OPENAI_URL, Settings, origin, variable_name
from agent.stores import Stores, open_keys
from graphs.context import ModelTask

if TYPE_CHECKING:
    from agent.recording.langsmith import LangSmith

_CREDENTIALS = re.compile(r"://[^/@\s]*@")
_PATIENCE = 5.0
"""Seconds that a server may take to say that it is there."""
_FEW = 3
"""How many of a server's models are named."""
_OPENAI = "openai:"
_NAMED_BY: Mapping[ModelTask, str] = {
    "planning": "ASSIST_STRONG_MODEL",
    "chat": "ASSIST_FAST_MODEL",
}


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as it is in force; secrets are masked."""

    name: str
    value: str
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    what: str
    ok: bool
    detail: str


def list_settings(settings: Settings) -> list[SettingLine]:
    """Return every setting with its value and where the value comes from."""
    return [
        SettingLine(variable_name(name), _shown(getattr(settings, name)), origin(name), _told(name))
        for name in Settings.model_fields
    ]


def examine(settings: Settings) -> list[Finding]:
    """Try the stores, the index, the models and the servers that are configured."""
    findings = [
        _try("records", lambda: _records(settings)),
        _try("keys", lambda: _keys(settings)),
        _try("index", lambda: _index(settings)),
        _try("embeddings", lambda: _embeddings(settings)),
        _try("models", lambda: _models(settings)),
        _try("prices", lambda: _prices(settings)),
    ]
    if _asked_of_server(settings):
        findings.append(_try("server", lambda: _server(settings)))
    if settings.langsmith_tracing:
        findings.append(_try("langsmith", lambda: _langsmith(settings)))
    return findings


def probe_langsmith(settings: Settings, *, patience: float = 20.0) -> list[Finding]:
    """Send a run without text to LangSmith, send it again, and read it back.

    Args:
        settings: Where LangSmith is, and the key.
        patience: Seconds that the run may take to be found.

    """
    from agent.recording.langsmith import LangSmith

    langsmith = LangSmith.open(settings)
    row = _probe_row()
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("langsmith: send a run", lambda: _ship(langsmith, settings, row)),
        ("langsmith: send it again", lambda: _ship(langsmith, settings, row, is_again=True)),
        ("langsmith: read it back", lambda: _read_back(langsmith, row, patience)),
    )
    findings: list[Finding] = []
    for what, step in steps:
        findings.append(_try(what, step))
        if not findings[-1].ok:
            break
    langsmith.close()
    return findings


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, detail=look())
    except AssistantError as error:
        return Finding(what, ok=False, detail=str(error))
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what the doctor is asked to report
        return Finding(what, ok=False, detail=str(translate(error)))


def _records(settings: Settings) -> str:
    stores = Stores.open(settings)
    try:
        given = stores.consent.status(stores.user_id).given
        calls = len(stores.runs.latest(1))
    finally:
        stores.close()
    consent = "given" if given else "not given"
    return f"open; consent {consent}; {'has' if calls else 'no'} recorded model calls"


def _keys(settings: Settings) -> str:
    ring = open_keys(settings)
    try:
        state = ring.state()
    finally:
        ring.close()
    warning = "" if state.backed_up_at else "warning: "
    return f"{state.people} of people, locked by {state.kek_id}; {warning}{state.backup_told}"


def _index(settings: Settings) -> str:
    knowledge = Knowledge(settings)
    try:
        stats = knowledge.stats()
    finally:
        knowledge.close()
    if not stats.documents:
        return "open but empty; run: assist index add PATH"
    return f"{stats.documents} documents, {stats.chunks} chunks, {stats.embedding}"


def _embeddings(settings: Settings) -> str:
    make_embeddings(settings).close()
    if settings.embeddings == MINILM:
        from retrieval.embedding.weights import read_prepared

        read_prepared(settings.minilm_path)
    return f"{identity_of(settings)} (ASSIST_EMBEDDINGS)"


def _models(settings: Settings) -> str:
    catalogue = ModelCatalogue(settings)
    chosen = [f"{task}: {catalogue.choose(task).name}" for task in _NAMED_BY]
    return "; ".join(chosen)


def _prices(settings: Settings) -> str:
    if settings.price_provider and not has_prices(settings.price_provider):
        raise AssistantError(
            f"ASSIST_PRICE_PROVIDER is {settings.price_provider!r}, whose prices are not known. "
            "Name one such as openai, azure, openrouter or groq, or leave it empty."
        )
    listed = PriceList(settings.openai_base_url, settings.price_provider)
    now, usage = datetime.now(UTC), {"input_tokens": 0, "output_tokens": 0}
    named: dict[str, list[str]] = {}
    for name in _serving(settings):
        provider, _, model = name.partition(":")
        price = listed.price(provider=provider, model=model, usage=usage, at=now)
        named.setdefault(price.reference, []).append(name)
    found = [f"{', '.join(names)}: {reference}" for reference, names in named.items()]
    return "; ".join(found) or "no model is set up"


def _server(settings: Settings) -> str:
    """Ask the server of the `openai:` models for its list, which costs nothing."""
    from openai import APIConnectionError, APIStatusError, OpenAI, OpenAIError

    host = host_of(settings.openai_base_url or OPENAI_URL)
    key = settings.openai_api_key
    try:
        with OpenAI(
            api_key=key.get_secret_value() if key else "none",
            base_url=settings.openai_base_url or OPENAI_URL,
            timeout=_PATIENCE,
            max_retries=0,
        ) as client:
            reply = client.models.with_raw_response.list().http_response.json()
        listed = [str(model["id"]) for model in reply["data"]]
    except APIStatusError as error:
        return _refusal(host, error.status_code)
    except APIConnectionError as error:
        raise AssistantError(f"{host} does not answer. Check OPENAI_BASE_URL.") from error
    except (OpenAIError, ValueError, KeyError, TypeError) as error:
        raise AssistantError(
            f"{host} answers, but not like an OpenAI-compatible server. Check OPENAI_BASE_URL: "
            "most end in /v1."
        ) from error
    return _compare(host, listed, _asked_of_server(settings))


def _refusal(host: str, status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise AssistantError(
            f"{host} answers, but refuses the key ({status}). Check OPENAI_API_KEY."
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return f"{host} answers but lists no models ({status})"
    raise AssistantError(f"{host} answers with an error ({status}). Try again later.")


def _compare(host: str, listed: Sequence[str], wanted: Mapping[str, str]) -> str:
    """Say whether a server has the models that are configured."""
    if not listed:
        return f"{host} answers but lists no models"
    missing = {model: setting for model, setting in wanted.items() if model not in listed}
    if not missing:
        return f"{host} answers and has {', '.join(wanted)}"
    settings = " and ".join(dict.fromkeys(missing.values()))
    near = [name for model in missing for name in get_close_matches(model, listed, n=_FEW)]
    few = list(dict.fromkeys([*near, *sorted(listed)]))[:_FEW]
    raise AssistantError(
        f"{host} answers but does not list {', '.join(missing)}. It has {', '.join(few)}"
        f"{' and more' if len(listed) > len(few) else ''}. Change {settings}."
    )


def _langsmith(settings: Settings) -> str:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    host = host_of(settings.langsmith_endpoint)
    key = "a key is set" if settings.langsmith_api_key else "no key is set (LANGSMITH_API_KEY)"
    if not settings.langsmith_endpoint.startswith(("http://", "https://")):
        raise AssistantError(f"LANGSMITH_ENDPOINT is no address; {key}. Write it like https://host")
    try:
        address = f"{settings.langsmith_endpoint.rstrip('/')}/info"
        urlopen(address, timeout=_PATIENCE).close()  # noqa: S310 - only HTTP gets here
    except HTTPError as error:
        error.close()
        raise AssistantError(
            f"{host} answers with an error ({error.code}); {key}. Check LANGSMITH_ENDPOINT."
        ) from error
    except (OSError, HTTPException) as error:
        raise AssistantError(f"{host} does not answer; {key}. Check LANGSMITH_ENDPOINT.") from error
    if not settings.langsmith_api_key:
        raise AssistantError(f"{host} answers; {key}, so it will refuse traces.")
    return f"{host} answers; {key}; traces go to project {settings.langsmith_project}"


def _probe_row() -> dict[str, Any]:
    """Make the record of a call that never was, as it looks without consent."""
    from langchain_core.utils.uuid import uuid7

    from agent.recording.run_store import Run

    run_id = str(uuid7())
    return {
        **dict.fromkeys(Run.__table__.columns.keys()),
        **dict.fromkeys(("run_id", "root_run_id", "trace_id"), run_id),
        **dict.fromkeys(("started_at", "ended_at"), utc_now()),
        "run_type": "llm",
        "name": "doctor",
        "status": "done",
        "content": "no consent",
        "user_id": "doctor",
        "provider": "offline",
        "model_asked": "offline:doctor",
        "input_tokens": 2,
        "output_tokens": 1,
        "cost_nano_usd": 0,
    }


def _ship(
    langsmith: "LangSmith", settings: Settings, row: Mapping[str, Any], *, is_again: bool = False
) -> str:
    from agent.recording.frames import RunShaper

    run = RunShaper(project=settings.langsmith_project).shape(row, with_text=False)
    answer = langsmith.send([run])
    if answer.verdict == "taken":
        return f"run {run.run_id} was taken{' again, under the same id' if is_again else ''}"
    if is_again and answer.verdict == "known":
        return "it was known (HTTP 409), which counts as delivered"
    raise AssistantError(f"{host_of(settings.langsmith_endpoint)} did not take it: {answer.reason}")


def _read_back(langsmith: "LangSmith", row: Mapping[str, Any], patience: float) -> str:
    """Ask for the run until it is there; LangSmith may take a while to show what it has taken."""
    ends_at = time.monotonic() + patience
    while True:
        answer, found = langsmith.read_run(row["run_id"])
        if answer.verdict == "taken":
            break
        if answer.status != HTTPStatus.NOT_FOUND or time.monotonic() > ends_at:
            raise AssistantError(
                f"The run cannot be read ({answer.reason}). A key that may only write is enough to "
                "send traces; else look for the run in the project."
            )
        time.sleep(min(1.0, patience / 4))
    if found.get("id") != row["run_id"]:
        raise AssistantError("What came back is another run. Check LANGSMITH_ENDPOINT.")
    url = langsmith.trace_url(row)
    return f"it is there as {found.get('name')!r}{f': {url}' if url else ''}"


def _serving(settings: Settings) -> dict[str, str]:
    """Return the models that can be set up, each with the settings that name it."""
    catalogue = ModelCatalogue(settings)
    named: dict[str, str] = {}
    for task, setting in _NAMED_BY.items():
        try:
            name = catalogue.choose(task).name
        except AssistantError:
            continue  # which is what `_models` says
        named[name] = f"{named[name]} and {setting}" if name in named else setting
    return named


def _asked_of_server(settings: Settings) -> dict[str, str]:
    """Return what the OpenAI-compatible server has to have, each with the settings that say so."""
    named = {**_serving(settings), settings.embeddings: "ASSIST_EMBEDDINGS"}
    return {
        name.removeprefix(_OPENAI): setting
        for name, setting in named.items()
        if name.startswith(_OPENAI)
    }


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "********"
    return _CREDENTIALS.sub("://********@", str(value)) if value not in ("", None) else "-"


def _told(name: str) -> str:
    return Settings.model_fields[name].description or ""
