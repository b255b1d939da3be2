"""What has to be remembered of a model call until it ends."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class OpenRun:
    """What has to be remembered of a model call until it ends."""

    started: float
    root: UUID
    keeps_text: bool
    provider: str
    model: str
    started_at: str
    first_token_ms: float | None = None
    pieces: list[str] = field(default_factory=list)
