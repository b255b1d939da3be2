"""Embeddings of texts by their words alone: the same words, the same direction."""

import base64
import math
import re
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from tests.servers.openai_refusals import RefusedError

DIMENSIONS = 64
_WORD = re.compile(r"\w+")
_MARKS = 4
"""How many coordinates a word has: with one, a chance collision would be a likeness."""


def embed(text: str, dimensions: int) -> list[float]:
    """Return a unit vector that is near those of texts with the same words."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [""]:
        digest = blake2b(word.encode(), digest_size=4 * _MARKS).digest()
        for mark in struct.unpack(f"<{_MARKS}I", digest):
            vector[(mark >> 1) % dimensions] += 1 if mark & 1 else -1
    length = math.hypot(*vector)
    if not length:
        vector[0] = length = 1.0
    return [value / length for value in vector]


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request for embeddings."""
    texts = _texts(body.get("input"))
    dimensions = body.get("dimensions") or DIMENSIONS
    if not isinstance(dimensions, int) or dimensions < 1:
        message = f"Invalid 'dimensions': {dimensions!r} is not a positive integer."
        raise RefusedError(message, param="dimensions")
    as_text = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_text else vector}
        for index, vector in enumerate(embed(text, dimensions) for text in texts)
    ]
    tokens = sum(len(_WORD.findall(text)) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and any(isinstance(item, int | list) for item in texts):
        raise RefusedError(
            "This server takes text only, no tokens. LangChain: check_embedding_ctx_length=False.",
            param="input",
        )
    if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts or [None]):
        message = "'$.input' is invalid: a text or a list of texts, none of them empty."
        raise RefusedError(message, param="input")
    return texts


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
