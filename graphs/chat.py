"""Answer a question in words, with numbered sources."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from graphs.calls import call_config, clean, served_by, was_cut
from graphs.citations import cited_numbers, drop_citations
from graphs.context import Context, Services
from graphs.grounding import announce, format_assignment, format_sources
from graphs.leaks import refuse_leaks
from graphs.state import State, StateUpdate
from graphs.window import fit
from prompts import RenderedPrompt
from retrieval import Source

_UNKNOWN = "not known"


async def answer(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Answer the student's question; only sources that the answer cites are kept."""
    choice = services.choose_model("chat", asked=context.model)
    prompt = services.prompts.get("chat")
    assignment = context.assignment

    def compose(sources: Sequence[Source]) -> RenderedPrompt:
        return prompt.render(
            context.run_id,
            assignment=format_assignment(assignment),
            current_task=(assignment and assignment["current_task"]) or _UNKNOWN,
            tools=", ".join(assignment["tools"]) if assignment else _UNKNOWN,
            documents=format_sources(sources),
            request=state["request"],
        )

    fitted = fit(choice, compose, sources=state["sources"], history=state["messages"][:-1])
    config = call_config(
        choice, prompt, "chat_answer", prompt_type="chat", left_out=fitted.left_out
    )
    given = [
        *_asked(state["messages"]),
        format_assignment(assignment),
        format_sources(fitted.sources),
    ]
    announce(fitted.sources, given)
    reply = await choice.ask(fitted.messages, config)
    known = {source["number"] for source in fitted.sources}
    text = drop_citations(clean(reply.text), known=known)
    refuse_leaks(prompt.instructions, text, given)
    cited = cited_numbers(text)
    return {
        "messages": [AIMessage(text, id=reply.message.id)],
        "sources": [source for source in fitted.sources if source["number"] in cited],
        "left_out": [*fitted.left_out, *_cut_off(reply.message)],
        "model_asked": choice.name,
        "model_served": served_by(reply.message, choice),
    }


def _asked(messages: Sequence[AnyMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, HumanMessage)]


def _cut_off(reply: AIMessage) -> list[str]:
    end = "the end of the answer, which the model cut at its length limit"
    return [end] if was_cut(reply) else []
