"""Turn an assignment text into a draft of a plan."""

from collections.abc import Sequence

from graphs.context import Context, Services
from graphs.drafting import Order, write_draft
from graphs.grounding import format_sources
from graphs.plan import PlanDraft
from graphs.state import State, StateUpdate
from prompts import RenderedPrompt
from retrieval import Source
from retrieval.reading.titles import title_of


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
            context.run_id,
            title=title,
            request=brief,
            documents=format_sources(sources),
            today=today,
        )

    return await write_draft(
        Order(
            PlanDraft,
            prompt,
            "planning",
            "plan_generation",
            "plan_repair",
            given=[title, brief],
            nonce=context.run_id,
        ),
        state,
        choice=services.choose_model("planning", asked=context.model),
        compose=compose,
        services=services,
    )
