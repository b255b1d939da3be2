"""What is configured, where it comes from, and whether what it points to answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from agent.errors import AssistantError, translate
from agent.knowledge import Knowledge
from agent.models.catalogue import ModelCatalogue
from agent.settings import Settings, origin, variable_name
from agent.stores import Stores

_CREDENTIALS = re.compile(r"://[^/@\s]*@")


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
    """Try the stores, the index and the models."""
    return [
        _try("records", lambda: _records(settings)),
        _try("index", lambda: _index(settings)),
        _try("models", lambda: _models(settings)),
    ]


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


def _index(settings: Settings) -> str:
    knowledge = Knowledge(settings)
    try:
        stats = knowledge.stats()
    finally:
        knowledge.close()
    if not stats.documents:
        return "open but empty; run: assist index add PATH"
    return f"{stats.documents} documents, {stats.chunks} chunks, {stats.embedding}"


def _models(settings: Settings) -> str:
    catalogue = ModelCatalogue(settings)
    chosen = [f"{task}: {catalogue.choose(task).name}" for task in ("planning", "chat")]
    return "; ".join(chosen)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "********"
    return _CREDENTIALS.sub("://********@", str(value)) if value not in ("", None) else "-"


def _told(name: str) -> str:
    return Settings.model_fields[name].description or ""
