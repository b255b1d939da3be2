"""The answer a student sees: text, plan or code, with what it rests on and what it cost."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from graphs.code import Code
from graphs.markdown import harmless, plain, plan_as_markdown, to_html
from graphs.plan import Plan

NOTICE = (
    "AI-generated: it can be wrong or incomplete. Check it against your course material; "
    "you may edit all of it and are responsible for what you hand in."
)

_PASSAGE = 160
"""Characters of a quoted passage that a list of sources shows."""

CONSENT_HINT = (
    "Your texts are not recorded, because you were never asked. To read what consent means, and "
    "to give it: 'assist consent', or GET and PUT /me/consent."
)


class Usage(BaseModel):
    """The tokens of a request, over all its model calls; null where a server did not say."""

    input_tokens: int | None
    output_tokens: int | None


class QuotedSource(BaseModel):
    """A passage of a past assignment that the answer rests on."""

    model_config = ConfigDict(extra="ignore")

    number: int
    title: str
    place: str
    language: str
    passage: str
    score: float
    parts: dict[str, float] = {}
    """What each signal of the search adds to the score; empty in older threads."""
    matched: list[str] = []
    """The words of the request that the passage or its title has."""
    document_id: str


class Answer(BaseModel):
    """What a request came to; its record is committed before it is handed out."""

    model_config = ConfigDict(hide_input_in_errors=True)

    run_id: str
    """The root run's id, which is LangSmith's trace id."""
    thread_id: str
    assignment_id: str | None
    prompt_type: Literal["planning", "chat", "codegen"]
    text: str
    plan: Plan | None
    code: Code | None
    sources: list[QuotedSource]
    left_out: list[str]
    """What did not fit into the model's window."""
    model_asked: str
    model_served: str
    usage: Usage
    cost_usd: float | None
    """Null where the price of a call is not known."""
    text_recorded: bool
    """Whether the log keeps this text, which needs consent."""
    consent_hint: str | None = None
    """How to decide on that, for somebody who never has."""
    ai_generated: Literal[True] = True
    notice: str = NOTICE

    def _repr_markdown_(self) -> str:
        body = plan_as_markdown(self.plan) if self.plan else harmless(self.text)
        sources = ["**Sources**", "\n".join(map(_cite, self.sources))] if self.sources else []
        parts = [body, *sources, "---", "\\\n".join(map(plain, self.footer))]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return to_html(self._repr_markdown_())

    @property
    def footer(self) -> list[str]:
        """What stands below the answer wherever it is shown: the notice, the facts, the ids."""
        used = self.usage
        cost = "unknown" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        ids = [f"run {self.run_id}", f"thread {self.thread_id}"]
        if self.assignment_id:
            ids.append(f"assignment {self.assignment_id}")
        lines = [
            self.notice,
            f"{self.model_served} · {_known(used.input_tokens)} + {_known(used.output_tokens)} "
            f"tokens · cost {cost} · text {'recorded' if self.text_recorded else 'not recorded'}",
            *ids,
        ]
        if self.consent_hint:
            lines.append(self.consent_hint)
        if self.left_out:
            lines.append(f"Left out for lack of room: {', '.join(self.left_out)}")
        return lines


def make_answer(values: dict[str, Any], **facts: Any) -> Answer:
    """Make an answer of the graph's output and what is known around it."""
    return Answer(
        prompt_type=values["prompt_type"],
        text=values["messages"][-1].text,
        plan=values["plan"],
        code=values["code"],
        sources=values["sources"],
        left_out=values["left_out"],
        model_asked=values["model_asked"],
        model_served=values["model_served"],
        **facts,
    )


def _cite(source: QuotedSource) -> str:
    passage = " ".join(source.passage.split())
    cut = passage if len(passage) <= _PASSAGE else f"{passage[:_PASSAGE]}…"
    place = f"{source.title} ({source.place})"
    return f"- \\[{source.number}\\] **{plain(place)}** {plain(cut)}"


def _known(value: int | None) -> str:
    return "?" if value is None else str(value)
