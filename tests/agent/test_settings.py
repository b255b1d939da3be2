"""Where settings come from, and what is refused."""

from pathlib import Path

import pytest

from agent.doctor import list_settings
from agent.errors import SettingsError
from agent.settings import load_settings, origin


def test_argument_wins_when_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is given beats the environment, which beats `.env`, which beats the default."""
    (tmp_path / ".env").write_text("ASSIST_FAST_MODEL=openai:from-file\n", "utf-8")
    assert load_settings().fast_model == "openai:from-file"
    assert origin("fast_model") == ".env"
    monkeypatch.setenv("ASSIST_FAST_MODEL", "openai:from-env")
    assert load_settings().fast_model == "openai:from-env"
    assert origin("fast_model") == "environment"
    assert load_settings(fast_model="openai:given").fast_model == "openai:given"
    assert origin("strong_model") == "default"


@pytest.mark.parametrize("place", ["environment", "file"])
def test_unknown_name_is_refused_when_misspelt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    """The nearest real name is offered."""
    if place == "file":
        (tmp_path / ".env").write_text("ASSIST_STRONG_MODLE=x\n", "utf-8")
    else:
        monkeypatch.setenv("ASSIST_STRONG_MODLE", "x")
    with pytest.raises(SettingsError, match="Did you mean ASSIST_STRONG_MODEL"):
        load_settings()


def test_value_is_not_repeated_when_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value may be a secret in the wrong place."""
    monkeypatch.setenv("ASSIST_MODEL_TIMEOUT", "sk-secret")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "ASSIST_MODEL_TIMEOUT" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_key_is_masked_when_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor shows that there is a key, not which."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("ASSIST_DATABASE_URL", "postgresql://staff:hunter2@db/records")
    settings = load_settings()
    lines = {line.name: line for line in list_settings(settings)}
    assert lines["OPENAI_API_KEY"].value == "********"
    assert lines["ASSIST_DATABASE_URL"].value == "postgresql://********@db/records"
    assert "sk-secret" not in repr(settings)
