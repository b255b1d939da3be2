"""The routing decision, after the same keyword scores that the router's rules use."""

import json

from agent.models.offline.reading.blocks import Asked


def decide(asked: Asked) -> str:
    """Return the decision as JSON text; a request without any sign is a question."""
    from graphs.rules import score

    scores = score(asked.request)
    best = max(scores, key=lambda kind: (scores[kind], kind == "chat"))
    return json.dumps({"prompt_type": best if scores[best] > 0 else "chat"})
