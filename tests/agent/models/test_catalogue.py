"""Which model serves which work."""

import pytest

from agent.errors import InputError, ModelError
from agent.models.catalogue import OFFLINE, ModelCatalogue
from agent.settings import Settings
from graphs.context import ModelTask


def test_offline_model_serves_everything_when_there_is_no_key() -> None:
    """Nothing has to be configured."""
    catalogue = ModelCatalogue(Settings())
    tasks: tuple[ModelTask, ...] = ("routing", "planning", "chat", "codegen")
    assert {catalogue.choose(task).name for task in tasks} == {OFFLINE}
    assert catalogue.choose("chat").model is catalogue.choose("planning").model


def test_task_gets_its_model_when_two_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strong model for plans and code, a fast one for simple work."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    catalogue = ModelCatalogue(
        Settings(strong_model="openai:gpt-4", fast_model="openai:gpt-3.5-turbo")
    )
    tasks: tuple[ModelTask, ...] = ("planning", "codegen", "chat", "routing")
    assert [catalogue.choose(task).name for task in tasks] == [
        "openai:gpt-4",
        "openai:gpt-4",
        "openai:gpt-3.5-turbo",
        "openai:gpt-3.5-turbo",
    ]
    assert catalogue.choose("planning").window == 8_192


def test_openai_serves_when_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is all it takes; the offline model can still be asked for."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    catalogue = ModelCatalogue(Settings())
    assert catalogue.choose("chat").name.startswith("openai:")
    assert catalogue.choose("chat", asked=OFFLINE).name == OFFLINE


def test_model_is_refused_when_it_is_not_in_the_catalogue() -> None:
    """The known ones are listed."""
    with pytest.raises(InputError, match="Known: offline:offline-1"):
        ModelCatalogue(Settings()).choose("chat", asked="openai:gpt-99")


def test_reason_is_said_when_a_provider_is_not_installed() -> None:
    """The model is named, and where to look."""
    catalogue = ModelCatalogue(Settings(fast_model="anthropic:claude"))
    with pytest.raises(ModelError, match="'anthropic:claude' cannot be set up"):
        catalogue.choose("chat")
