"""What nodes are given: `Context` lives as long as a run, `Services` as long as the process.

The services are described here as protocols, so that the graph runs with fakes and
knows no environment, no client and no store.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig

from graphs.state import Assignment, PromptType
from prompts import PromptBook
from retrieval import Source

ModelTask = Literal["routing", "planning", "chat", "codegen"]
"""The kinds of work a chat model is asked for; which model serves it is not a node's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Plain data about one run; every field has a default, so a graph runs without any."""

    run_id: str = ""
    """The root run's id; empty when the graph is invoked directly."""
    prompt_type: PromptType | None = None
    """An explicit choice of the student, which wins over the router."""
    assignment: Assignment | None = None
    course: str = ""
    model: str = ""
    """`provider:model` the student asked for; empty for the catalogue's choice."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, in full."""

    message: AIMessage
    text: str
    """Its words, or the JSON it wrote where a schema was given."""
    value: Any = None
    """With a schema: what the JSON says, `None` where the text is no JSON."""


class ChosenModel(Protocol):
    """A chat model that serves a kind of work, and how much it can read."""

    @property
    def name(self) -> str:
        """`provider:model`."""

    @property
    def window(self) -> int:
        """Tokens that prompt and answer may take together."""

    @property
    def answer_tokens(self) -> int:
        """Tokens of the window that are kept free for the answer."""

    def ask(
        self,
        messages: Sequence[AnyMessage],
        config: RunnableConfig,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Awaitable[Reply]:
        """Return a reply that ended of its own accord, as JSON where a schema is given.

        It tries again where that may help; each try is a run of its own.
        """


class Retrieve(Protocol):
    """Find passages of past assignments, best first."""

    def __call__(
        self, query: str, *, course: str = "", attach: Literal["plan", "solution", ""] = ""
    ) -> Awaitable[list[Source]]:
        """Return at most a handful of sources; an empty list where nothing fits."""


class ChooseModel(Protocol):
    """Pick the chat model for a kind of work."""

    def __call__(self, task: ModelTask, *, asked: str = "") -> ChosenModel:
        """Return the model that serves `task`, or the one `asked` for by name."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the graph needs from above it."""

    retrieve: Retrieve
    choose_model: ChooseModel
    prompts: PromptBook
    today: Callable[[], date]
