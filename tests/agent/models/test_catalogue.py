"""Which model serves which work."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from pydantic import SecretStr

from agent.errors import InputError, ModelError
from agent.models.catalogue import OFFLINE, ModelCatalogue
from agent.prices import PriceList
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


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("openai:gpt-4-0613", 8_192),
        ("openai:gpt-4-turbo-2024-04-09", 128_000),
        ("openai:gpt-4o-2024-08-06", 128_000),
        ("openai:gpt-5.4-mini", 400_000),
        ("openai:o9", 16_000),
    ],
)
def test_window_is_known_when_a_name_is_dated(model: str, window: int) -> None:
    """The longest beginning of a name that is known counts; else the setting."""
    catalogue = ModelCatalogue(Settings(fast_model=model, openai_api_key=SecretStr("sk-test")))
    assert catalogue.choose("chat").window == window


def test_window_is_the_setting_when_the_server_is_not_openai() -> None:
    """What a local server calls gpt-4 need not be one."""
    settings = Settings(
        fast_model="openai:gpt-4", openai_base_url="http://127.0.0.1:9/v1", model_window=4_000
    )
    assert ModelCatalogue(settings).choose("chat").window == 4_000


@pytest.mark.parametrize(
    ("model", "formats"),
    [
        ("openai:gpt-4", ["tools"]),
        ("openai:gpt-4-0613", ["tools"]),
        ("openai:gpt-4-turbo-2024-04-09", ["tools"]),
        ("openai:gpt-3.5-turbo-0125", ["tools"]),
        ("openai:gpt-4o-mini", ["json_schema", "tools"]),
        ("openai:gpt-4.1", ["json_schema", "tools"]),
        ("openai:gpt-5.4", ["json_schema", "tools"]),
        (OFFLINE, ["native"]),
    ],
)
def test_format_fits_the_model_when_it_is_openais(model: str, formats: list[str]) -> None:
    """The old models know tools alone; for the others tools are the second choice."""
    catalogue = ModelCatalogue(Settings(strong_model=model, openai_api_key=SecretStr("sk-test")))
    assert list(catalogue.choose("planning").formats.to_try()) == formats


def test_specification_pair_serves_when_the_preset_is_chosen() -> None:
    """The preset is a default: a model that is named beats it."""
    key = SecretStr("sk-test")
    settings = Settings(openai_api_key=key, model_preset="specification")
    assert ModelCatalogue(settings).names[:2] == ["openai:gpt-4", "openai:gpt-3.5-turbo"]
    named = Settings(openai_api_key=key, model_preset="specification", fast_model="openai:gpt-4o")
    assert ModelCatalogue(named).names[:2] == ["openai:gpt-4", "openai:gpt-4o"]


@pytest.mark.parametrize("preset", ["current", "specification"])
def test_preset_has_prices_when_openai_serves(preset: Literal["current", "specification"]) -> None:
    """What is offered by default is known to the price list."""
    settings = Settings(openai_api_key=SecretStr("sk-test"), model_preset=preset)
    usage = {"input_tokens": 1_000, "output_tokens": 1_000}
    for name in ModelCatalogue(settings).names[:2]:
        model = name.removeprefix("openai:")
        price = PriceList().price(provider="openai", model=model, usage=usage, at=datetime.now(UTC))
        assert price.nano_usd


def test_reason_is_said_when_there_is_neither_key_nor_server() -> None:
    """OpenAI itself needs a key."""
    catalogue = ModelCatalogue(Settings(fast_model="openai:gpt-4o"))
    with pytest.raises(ModelError, match="needs OPENAI_API_KEY"):
        catalogue.choose("chat")


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
