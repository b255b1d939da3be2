"""The plan: its shape, what makes one valid, and what is computed from it.

The authored part is the specification's JSON, key for key. The model is asked for a
`PlanDraft`; code alone turns it into a `Plan` with its computed part.
"""

from typing import Any, Literal

import networkx as nx
from pydantic import BaseModel, ConfigDict, Field

from graphs.citations import without_images
from graphs.markdown import plan_as_markdown, to_html

TaskStatus = Literal["pending", "in_progress", "done", "skipped"]
Complexity = Literal["low", "medium", "high"]
MAX_MINUTES = 10_080
"""The longest a single task may take: a week of minutes."""
MAX_TASKS = 60


class Requirements(BaseModel):
    """What the assignment asks for."""

    model_config = ConfigDict(extra="forbid")

    programming_language: str
    framework: str | None
    deliverables: list[str]
    complexity: Complexity
    deadline: str | None
    """As the brief gives it, ISO 8601 where the date is certain."""
    testing_required: bool
    documentation_required: bool
    git_required: bool


class Parameter(BaseModel):
    """One named value of a task; a list of these keeps the schema closed for strict servers."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: str


class TaskDraft(BaseModel):
    """One task as a model writes it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    task_type: str
    description: str
    dependencies: list[str]
    estimated_duration: int
    """Minutes."""
    tool_requirements: list[str]
    parameters: list[Parameter]


class PlanDraft(BaseModel):
    """A plan as a model writes it: every key required, nothing open."""

    model_config = ConfigDict(extra="forbid")

    requirements: Requirements
    tasks: list[TaskDraft]
    estimated_total_duration: int
    """Minutes; the sum over the tasks."""
    risk_factors: list[str]
    success_criteria: list[str]


class Task(BaseModel):
    """One step of a plan, with the specification's keys."""

    model_config = ConfigDict(extra="forbid")

    id: str
    task_type: str
    description: str
    dependencies: list[str]
    estimated_duration: int
    """Minutes."""
    tool_requirements: list[str]
    parameters: dict[str, str]
    status: TaskStatus = "pending"


class Computed(BaseModel):
    """What code works out from the tasks; a model never writes it."""

    model_config = ConfigDict(extra="forbid")

    waves: list[list[str]]
    """Task ids that can be worked on side by side, wave after wave."""
    critical_path: list[str]
    """The chain of tasks that decides the earliest possible end."""
    critical_minutes: int


class Plan(BaseModel):
    """A checked plan: the specification's keys, and `computed` beside them."""

    model_config = ConfigDict(extra="forbid")

    title: str
    requirements: Requirements
    tasks: list[Task]
    estimated_total_duration: int
    """Minutes; the sum over the tasks, not elapsed time."""
    risk_factors: list[str]
    success_criteria: list[str]
    computed: Computed = Field(repr=False)

    def _repr_markdown_(self) -> str:
        return plan_as_markdown(self)

    def _repr_html_(self) -> str:
        return to_html(self._repr_markdown_())


def find_faults(draft: PlanDraft) -> list[str]:
    """Say, in sentences a model can act on, what keeps `draft` from being a plan."""
    faults = [*_faulty_ids(draft.tasks), *_faulty_values(draft)]
    known = {task.id for task in draft.tasks}
    for task in draft.tasks:
        faults += [
            f"Task {task.id!r} depends on {other!r}, which is not a task of this plan."
            for other in task.dependencies
            if other not in known
        ]
    graph = _dependency_graph(draft.tasks)
    if not nx.is_directed_acyclic_graph(graph):
        loop = [edge[0] for edge in nx.find_cycle(graph)]
        faults.append(f"The dependencies form a cycle: {' -> '.join([*loop, loop[0]])}.")
    total = sum(task.estimated_duration for task in draft.tasks)
    if draft.estimated_total_duration != total:
        faults.append(
            f"estimated_total_duration is {draft.estimated_total_duration}, "
            f"but the tasks add up to {total} minutes."
        )
    return faults


def build_plan(draft: PlanDraft, *, title: str) -> Plan:
    """Make a plan of a draft that `find_faults` has passed.

    Raises:
        ValueError: the draft has faults.
    """
    if faults := find_faults(draft):
        raise ValueError(" ".join(faults))
    authored = without_images(draft.model_dump())
    authored["tasks"] = [
        {**task, "parameters": {p["name"]: p["value"] for p in task["parameters"]}}
        for task in authored["tasks"]
    ]
    return Plan(title=without_images(title), computed=_compute(draft.tasks), **authored)


def summarise(plan: Plan) -> str:
    """Write a plan as the short text that stands in its thread."""
    steps = "\n".join(
        f"{number}. {task.description} ({task.estimated_duration} min)"
        for number, task in enumerate(plan.tasks, 1)
    )
    return (
        f"Plan for {plan.title}: {len(plan.tasks)} tasks, "
        f"{plan.estimated_total_duration} minutes.\n{steps}"
    )


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a finished plan."""
    return Plan.model_json_schema()


def _faulty_ids(tasks: list[TaskDraft]) -> list[str]:
    seen: set[str] = set()
    faults = []
    for task in tasks:
        if not task.id.strip():
            faults.append(f"The task {task.description[:60]!r} has an empty id.")
        elif task.id in seen:
            faults.append(f"The task id {task.id!r} is used more than once.")
        seen.add(task.id)
    return faults


def _faulty_values(draft: PlanDraft) -> list[str]:
    faults = []
    if not draft.tasks:
        faults.append("The plan has no tasks.")
    if len(draft.tasks) > MAX_TASKS:
        faults.append(f"The plan has {len(draft.tasks)} tasks; {MAX_TASKS} is the most.")
    if not draft.requirements.deliverables:
        faults.append("requirements.deliverables is empty; name what has to be handed in.")
    for task in draft.tasks:
        if not task.description.strip():
            faults.append(f"Task {task.id!r} has an empty description.")
        if not 0 < task.estimated_duration <= MAX_MINUTES:
            faults.append(
                f"Task {task.id!r} takes {task.estimated_duration} minutes; "
                f"it has to be between 1 and {MAX_MINUTES}."
            )
    return faults


def _dependency_graph(tasks: list[TaskDraft]) -> "nx.DiGraph[str]":
    graph: nx.DiGraph[str] = nx.DiGraph()
    minutes = {task.id: task.estimated_duration for task in tasks}
    graph.add_nodes_from(minutes)
    graph.add_edges_from(
        (before, task.id) for task in tasks for before in task.dependencies if before in minutes
    )
    return graph


def _compute(tasks: list[TaskDraft]) -> Computed:
    graph = _dependency_graph(tasks)
    minutes = {task.id: task.estimated_duration for task in tasks}
    finish: dict[str, int] = {}
    came_from: dict[str, str | None] = {}
    for task_id in nx.topological_sort(graph):
        latest = max(graph.predecessors(task_id), key=lambda t: finish[t], default=None)
        finish[task_id] = minutes[task_id] + (finish[latest] if latest is not None else 0)
        came_from[task_id] = latest
    last = max(finish, key=lambda t: finish[t])
    path: list[str] = []
    step: str | None = last
    while step is not None:
        path.append(step)
        step = came_from[step]
    waves = [sorted(wave) for wave in nx.topological_generations(graph)]
    return Computed(waves=waves, critical_path=path[::-1], critical_minutes=finish[last])
