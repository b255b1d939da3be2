"""Which kind of help a request is for: the student's choice, else rules, else a model.

The rules speak first because they cost nothing; where they are not sure, a model decides.
"""

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict

from graphs.calls import call_config, served_by
from graphs.context import Context, Services
from graphs.drafting import ask_for
from graphs.errors import EmptyRequestError
from graphs.rules import READ, decide_by_rules, score
from graphs.state import PromptType, State, StateUpdate


class Decision(BaseModel):
    """What a model answers when it is asked for the kind of help."""

    model_config = ConfigDict(extra="forbid")

    prompt_type: PromptType


def last_request(state: State) -> str:
    """Return what the student typed last.

    Raises:
        EmptyRequestError: the thread ends in no text of a person.
    """
    for message in reversed(state.get("messages", [])):
        if message.type == "human":
            if text := message.text.strip():
                return text
            break
    raise EmptyRequestError("The message is empty. Type a question, a task or an assignment text.")


async def classify(state: State, context: Context, *, services: Services) -> StateUpdate:
    """Open a request: take it from the thread, forget the last one's results, choose the way."""
    request = last_request(state)
    update: StateUpdate = {
        "request": request,
        "sources": [],
        "left_out": [],
        "draft": None,
        "draft_text": "",
        "findings": [],
        "attempts": 0,
        "plan": None,
        "code": None,
    }
    if chosen := context.prompt_type or decide_by_rules(request):
        return {**update, "prompt_type": chosen}
    choice = services.choose_model("routing")
    prompt = services.prompts.get("router")
    rendered = prompt.render(context.run_id, request=request[: 2 * READ])
    decision, reply = await ask_for(
        Decision,
        choice,
        [SystemMessage(rendered.instructions), HumanMessage(rendered.message)],
        call_config(choice, prompt, "routing"),
    )
    fallback = max(scores := score(request), key=lambda kind: scores[kind])
    return {
        **update,
        "prompt_type": decision.prompt_type if decision else fallback,
        "model_asked": choice.name,
        "model_served": served_by(reply.message, choice),
    }
