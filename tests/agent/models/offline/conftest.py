"""Prompts as the graph renders them, with past assignments of the tests' own."""

from collections.abc import Callable, Sequence

import pytest
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from prompts import PromptBook

NOTHING = "(no past assignment fits)"
PLAN = """| id | task_type | description | after | estimated | actual | tools |
|----|-----------|-------------|-------|-----------|--------|-------|
| t1 | requirements_analysis | Table the zebra routes | - | 20 | 30 | editor |
| t2 | project_setup | Pin the zebra package | - | 20 | 25 | git |
| t3 | core_implementation | Write the zebra routes | t1, t2 | 60 | 90 | fastapi |
| t4 | core_implementation | Add zebra login | t3 | 60 | 150 | jwt |
| t5 | testing | Test the zebras | t4 | 30 | 60 | pytest |
| t6 | final_review | Clone and run | t5 | 10 | 20 | git |"""
SOLUTION = """Keep the check in one dependency, so that no route can forget it.

```python
import jwt

def require(role):
    return jwt.decode(role)
```"""
BRIEF = "1. Provide `GET /zebras`.\n2. Store zebras.\n3. Check a login.\n4. Test all routes."
EXPLAINED = """Keep three concerns apart: the login token is checked in one dependency only.

```python
def make_token(user: str) -> str:
    return jwt.encode({"sub": user}, SECRET)
```

**What to watch.** Always pass the algorithms when you decode a login token. Never log it.

**Next steps.** Add a limit on login attempts."""

Prompt = Callable[..., list[AnyMessage]]


def past(
    number: int = 1,
    *,
    title: str = "Zebra records API",
    language: str = "python",
    place: str = "zebra.md, Brief",
    passage: str = BRIEF,
    plan: str = "",
    solution: str = "",
) -> str:
    """Write one entry of a documents block."""
    parts = [f"### [{number}] {title}\nlanguage: {language}\nplace: {place}", passage]
    parts += [f"#### Plan that was followed\n{plan}"] if plan else []
    parts += [f"#### Solution\n{solution}"] if solution else []
    return "\n\n".join(parts)


@pytest.fixture(scope="session")
def entry() -> Callable[..., str]:
    """Return the writer of a documents entry."""
    return past


@pytest.fixture(scope="session")
def planned_entry() -> str:
    """Return an entry with the plan that was followed."""
    return past(plan=PLAN)


@pytest.fixture(scope="session")
def explained_entry() -> str:
    """Return an entry that explains, shows code and says what to watch."""
    return past(place="zebra.md, Solution", passage=EXPLAINED)


@pytest.fixture(scope="session")
def solved_entry() -> str:
    """Return an entry with a solution."""
    return past(passage="A login for zebra records.", solution=SOLUTION)


@pytest.fixture(scope="session")
def book() -> PromptBook:
    """Return the live prompts."""
    return PromptBook.open()


@pytest.fixture(scope="session")
def planner_prompt(book: PromptBook) -> Prompt:
    """Return a renderer of planner prompts."""

    def render(
        request: str, documents: str = NOTHING, *, title: str = "", today: str = "2026-11-22"
    ) -> list[AnyMessage]:
        made = book.get("planner").render(
            title=title or request.strip().partition("\n")[0][:80],
            request=request,
            documents=documents,
            today=today,
        )
        return [SystemMessage(made.instructions), HumanMessage(made.message)]

    return render


@pytest.fixture(scope="session")
def chat_prompt(book: PromptBook) -> Prompt:
    """Return a renderer of chat prompts."""

    def render(
        request: str,
        documents: str = NOTHING,
        *,
        assignment: str = "No assignment is known.",
        task: str = "not known",
        tools: str = "not known",
        before: Sequence[AnyMessage] = (),
    ) -> list[AnyMessage]:
        made = book.get("chat").render(
            assignment=assignment,
            current_task=task,
            tools=tools,
            documents=documents,
            request=request,
        )
        return [SystemMessage(made.instructions), *before, HumanMessage(made.message)]

    return render


@pytest.fixture(scope="session")
def code_prompt(book: PromptBook) -> Prompt:
    """Return a renderer of codegen prompts."""

    def render(
        request: str, documents: str = NOTHING, *, assignment: str = "No assignment is known."
    ) -> list[AnyMessage]:
        made = book.get("codegen").render(
            assignment=assignment, documents=documents, request=request
        )
        return [SystemMessage(made.instructions), HumanMessage(made.message)]

    return render
