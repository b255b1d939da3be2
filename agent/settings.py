"""Every setting, and the only place that reads the environment."""

import os
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.errors import SettingsError

OPENAI_URL = "https://api.openai.com/v1"
_PREFIX = "ASSIST_"
_ENV_FILE = ".env"
_FOR_TESTS = ("ASSIST_TEST_", "ASSIST_EVAL_")


class Settings(BaseSettings):
    """What an operator decides; a value given to `Settings(...)` beats the environment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=_ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".assignment-assistant",
        description="Where records, threads and the index of past assignments lie.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL of the records; empty: SQLite in the data directory.",
    )
    keys_url: str = Field(
        default="",
        description="SQLAlchemy URL of people's keys; empty: SQLite in the data directory. Not the "
        "database of the records: what is erased stays readable in a backup that holds both.",
    )
    kek: SecretStr | None = Field(
        default=None,
        description="32 random bytes in base64 that lock people's keys; during a rotation the new "
        "ones before the old ones, comma-separated; empty: a file in the data directory.",
    )
    auth: Literal["local", "keys"] = Field(
        default="local",
        description="`local`: one person on this machine; `keys`: whoever holds an API key.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Names the server answers to, comma-separated; empty: this machine's own "
        "with `local`, any with `keys`.",
    )
    courses_dir: Path | None = Field(
        default=None, description="Where the courses' files lie; empty: in the data directory."
    )
    strong_model: str = Field(
        default="",
        description="`provider:model` for plans and code; empty: OpenAI with a key, else offline.",
    )
    fast_model: str = Field(
        default="",
        description="`provider:model` for chat and routing; empty: as above.",
    )
    model_preset: Literal["current", "specification"] = Field(
        default="current",
        description="Which OpenAI pair serves by default: `current`, or the specification's "
        "gpt-4 and gpt-3.5-turbo.",
    )
    embeddings: str = Field(
        default="local",
        pattern=r"^(local|minilm|openai:\S+)$",
        description="Which embedding the index is built with: `local`, `minilm` or `openai:NAME`.",
    )
    chroma_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address of a Chroma server that holds the index; empty: the data directory.",
    )
    chroma_token: SecretStr | None = Field(
        default=None, description="Token of that server, or the key of Chroma Cloud."
    )
    price_provider: str = Field(
        default="",
        description="Whose prices apply behind OPENAI_BASE_URL; empty: the price is unknown.",
    )
    price_file: Path | None = Field(
        default=None,
        description="TOML file of local and contract prices, which win over the public list.",
    )
    model_window: int = Field(
        default=16_000,
        ge=2_000,
        description="Tokens that a model reads where its name does not tell.",
    )
    model_timeout: float = Field(
        default=120.0, gt=0, description="Seconds a model call may take, all its tries together."
    )
    outbound_redaction: Literal["remote", "always", "never"] = Field(
        default="remote",
        description="To which models personal data goes as placeholders; `remote`: to those that "
        "are not on this machine or network. A course may turn it off.",
    )
    model_retries: int = Field(
        default=2, ge=0, le=10, description="How often a model call that failed is tried again."
    )
    stream_timeout: float = Field(
        default=30.0, gt=0, description="Seconds a model's stream may stay silent."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENAI_API_KEY", description="Key of the OpenAI API."
    )
    openai_base_url: str = Field(
        default="",
        validation_alias="OPENAI_BASE_URL",
        description="Address of an OpenAI-compatible server.",
    )
    langsmith_tracing: bool = Field(
        default=False,
        validation_alias="LANGSMITH_TRACING",
        description="Send traces to LangSmith; without consent they hold no text.",
    )
    langsmith_api_key: SecretStr | None = Field(
        default=None, validation_alias="LANGSMITH_API_KEY", description="Key of LangSmith."
    )
    langsmith_endpoint: str = Field(
        default="https://api.smith.langchain.com",
        validation_alias="LANGSMITH_ENDPOINT",
        description="Address of LangSmith.",
    )
    langsmith_project: str = Field(
        default="assignment-assistant",
        validation_alias="LANGSMITH_PROJECT",
        description="The LangSmith project that traces go to.",
    )
    langsmith_workspace_id: UUID | None = Field(
        default=None,
        validation_alias="LANGSMITH_WORKSPACE_ID",
        description="The LangSmith workspace, for a key that belongs to an organization.",
    )

    @property
    def openai_url(self) -> str:
        """The address that `openai:` models and embeddings are asked at."""
        return self.openai_base_url or OPENAI_URL

    @property
    def records_url(self) -> str:
        """The SQLAlchemy URL of the records."""
        return self.database_url or f"sqlite:///{self.data_dir / 'records.db'}"

    @property
    def people_keys_url(self) -> str:
        """The SQLAlchemy URL of people's keys."""
        return self.keys_url or f"sqlite:///{self.data_dir / 'keys.db'}"

    @property
    def checkpoints_path(self) -> Path:
        """The SQLite file that keeps threads."""
        return self.data_dir / "threads.db"

    @property
    def index_path(self) -> Path:
        """The folder of the Chroma index."""
        return self.data_dir / "index"

    @property
    def minilm_path(self) -> Path:
        """The folder of MiniLM's files."""
        return self.data_dir / "minilm"


def load_settings(**given: Any) -> Settings:
    """Read the settings from arguments, the environment, `.env` and defaults, in this order.

    Raises:
        SettingsError: a name is unknown or a value does not fit; values are not repeated.
    """
    _refuse_unknown_names()
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = variable_name(str(first["loc"][0]))
        raise SettingsError(
            f"{name}: {first['msg']}. Run 'assist doctor' for all settings."
        ) from None


def check_host(settings: Settings, host: str) -> None:
    """Refuse to serve whoever reaches this machine where nobody is asked who they are.

    Raises:
        SettingsError: the address is not this machine's own, and there are no keys.
    """
    try:
        is_own = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_own = False
    if settings.auth == "local" and not is_own:
        raise SettingsError(
            f"With ASSIST_AUTH=local everybody who reaches {host!r} would be the one local person. "
            "Listen on 127.0.0.1, or set ASSIST_AUTH=keys and make keys: assist keys create"
        )


def variable_name(field_name: str) -> str:
    """Return the environment variable of a field."""
    field = Settings.model_fields.get(field_name)
    if field is None:
        return field_name
    return str(field.validation_alias or f"{_PREFIX}{field_name.upper()}")


def origin(field_name: str) -> str:
    """Say where a setting's value comes from: the environment, `.env`, or its default."""
    name = variable_name(field_name)
    if os.environ.get(name):
        return "environment"
    return _ENV_FILE if dotenv_values(_ENV_FILE).get(name) else "default"


def _refuse_unknown_names() -> None:
    known = {variable_name(field) for field in Settings.model_fields}
    for name in (*os.environ, *dotenv_values(_ENV_FILE)):
        if not name.startswith(_PREFIX) or name.startswith(_FOR_TESTS) or name in known:
            continue
        nearest = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        raise SettingsError(f"{name} is not a setting.{hint} Run 'assist doctor' for the list.")
