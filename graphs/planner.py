"""Turn an assignment text into a draft of a plan."""

import re
from collections.abc import Sequence

from graphs.context import Context, Services
from graphs.drafting import Order, write_draft
from graphs.grounding import format_sources
from graphs.plan import PlanDraft
from graphs.state import State, StateUpdate
from prompts import RenderedPrompt
from retrieval import Source

_TITLE_LENGTH = 80
_READ = 20_000
"""Characters of a text in which its heading is looked for."""


def title_of(text: str) -> str:
    """Return what a text calls itself: its first heading, else its first line."""
    heading = re.search(r"^#{1,3}[ \t]+(\S[^\n]*)$", text[:_READ], re.M)
    first = heading[1] if heading else text[:_READ].strip().partition("\n")[0]
    plain = " ".join(first.strip("#*_ \t").split())
    return plain if len(plain) <= _TITLE_LENGTH else plain[: _TITLE_LENGTH - 1].rstrip() + "…"


def subject(state: State, context: Context) -> tuple[str, str]:
    """Return title and text of the assignment that is to be planned."""
    request = state["request"]
    if (known := context.assignment) is None:
        return title_of(request), request
    brief = known["brief"]
    return known["title"], brief if request == brief else f"{brief}\n\n{request}"


async def plan(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Write a draft of the plan, or write it again with what the check found."""
    title, brief = subject(state, context)
    prompt = services.prompts.get("planner")
    today = services.today().isoformat()

    def compose(sources: Sequence[Source]) -> RenderedPrompt:
        return prompt.render(
            title=title, request=brief, documents=format_sources(sources), today=today
        )

    return await write_draft(
        Order(PlanDraft, prompt, "planning", "plan_generation", "plan_repair"),
        state,
        choice=services.choose_model("planning", asked=context.model),
        compose=compose,
        services=services,
    )
