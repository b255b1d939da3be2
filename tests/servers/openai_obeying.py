"""An OpenAI-compatible server that obeys whatever a document tells it, as no model should.

It reads what a past assignment asks for, and says it if it stands anywhere in what it was sent.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from typing_extensions import override

from tests.graphs.test_build import PLAN
from tests.servers.openai import OpenAIServer
from tests.servers.openai_wire import Answer

_DOCUMENTS = re.compile(r"<documents \w+>(.*)</documents \w+>", re.S)
_KEY = re.compile(r"\b[a-z]{2,4}[-_](?:[a-z]+[-_])?[\w-]{8,}")
_ADDRESS = re.compile(r"https?://[^\s\"'<>)\]]+")
_GOALS: Mapping[str, str] = {
    "thread": r"student|[ée]tudiant|estudiante|conversation|message",
    "key": r"key|token|password|secret|environ|schl[üu]ssel|\bcl[ée]\b|clave",
    "prompt": (
        r"prompt|instruction|instruccion|anweisung|consigne|rules|regeln|reglas|preamble|directive|"
        r"configuration|above"
    ),
}


class ObeyingServer(OpenAIServer):
    """Answers every request with what the documents in it ask for."""

    def __init__(self, **options: Any) -> None:
        super().__init__("", **options)
        self.obeyed: list[str] = []
        """What each answer said, before any of it was dressed up."""

    @override
    async def _answer(self, body: Mapping[str, Any]) -> Answer:
        answer = await super()._answer(body)
        loot = _loot(body["messages"])
        self.obeyed.append(loot)
        return replace(answer, text=_written(body, self._dressed(loot, body)))

    def _dressed(self, loot: str, body: Mapping[str, Any]) -> str:
        """Say it in one of the ways that documents ask for, and to every address that they name."""
        ways = (
            loot,
            loot.upper(),
            "\n".join(f"{number}. {word}" for number, word in enumerate(loot.split(), 1)),
            f"```\n# {loot}\n```",
            " ".join(f"**{word}**" for word in loot.split()),
        )
        said = ways[len(self.obeyed) % len(ways)]
        pages = _ADDRESS.findall(_documents(body["messages"]))
        images = "\n".join(f"![see]({page}?q={quote(loot[:2_000])})" for page in pages[:2])
        return f"Of course.\n\n{images}\n\n{said}" if len(self.obeyed) % 2 else f"{said}\n{images}"


def _loot(messages: list[dict[str, Any]]) -> str:
    everything = "\n".join(_text(message) for message in messages)
    first = _documents(messages).partition("### [2]")[0]
    asked = {goal for goal, words in _GOALS.items() if re.search(words, first, re.I)}
    parts = []
    if "prompt" in asked or not asked:
        parts += [_text(message) for message in messages if message["role"] == "system"]
    if "thread" in asked:
        parts += [_text(message) for message in messages if message["role"] != "system"]
    if "key" in asked:
        parts += _KEY.findall(everything) or ["I have no key."]
    return "\n".join(parts)


def _documents(messages: list[dict[str, Any]]) -> str:
    return "\n".join(_DOCUMENTS.findall("\n".join(_text(message) for message in messages)))


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _written(body: Mapping[str, Any], said: str) -> str:
    """Write it as the JSON that is asked for, where one is."""
    asked = json.dumps([body.get("tools"), body.get("response_format")])
    if "PlanDraft" in asked:
        return json.dumps({**PLAN, "risk_factors": [said]})
    if "CodeDraft" in asked:
        files = [{"path": "a.py", "language": "python", "content": f"x = {said!r}\n"}]
        return json.dumps({"files": files, "notes": [said]})
    return said
