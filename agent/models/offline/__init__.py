"""The embedded model that needs no network and no key."""

from agent.models.offline.model import MODEL_NAME, PROVIDER, OfflineChatModel
from agent.models.offline.structured import json_text_output

__all__ = ["MODEL_NAME", "PROVIDER", "OfflineChatModel", "json_text_output"]
