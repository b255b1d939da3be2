"""Write code for a request as a draft of complete files."""

from collections.abc import Sequence

from graphs.code import CodeDraft
from graphs.context import Context, Services
from graphs.drafting import Order, write_draft
from graphs.grounding import format_assignment, format_sources
from graphs.state import State, StateUpdate
from prompts import RenderedPrompt
from retrieval import Source


async def write_code(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Write a draft of the files, or write it again with what the check found."""
    prompt = services.prompts.get("codegen")
    assignment, request = format_assignment(context.assignment), state["request"]

    def compose(sources: Sequence[Source]) -> RenderedPrompt:
        return prompt.render(
            context.run_id,
            assignment=assignment,
            documents=format_sources(sources),
            request=request,
        )

    return await write_draft(
        Order(
            CodeDraft,
            prompt,
            "codegen",
            "code_generation",
            "code_repair",
            given=[assignment, request],
            nonce=context.run_id,
        ),
        state,
        choice=services.choose_model("codegen", asked=context.model),
        compose=compose,
        services=services,
    )
