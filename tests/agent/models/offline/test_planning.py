"""Plans by rules."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AnyMessage

from agent.models.offline.plans.past import past_assignments
from agent.models.offline.plans.planning import draft_plan
from agent.models.offline.reading.blocks import Asked, entries, read_prompt
from graphs.plan import PlanDraft, TaskDraft, build_plan, find_faults

Prompt = Callable[..., list[AnyMessage]]
BRIEF = """# Shop API

Build a REST API for a shop with FastAPI. Due 12 December, 5 pm.

1. Provide `GET /orders` and `POST /orders`.
2. Store orders in a database.
3. Check a login before each change.
4. Refuse negative amounts.
5. Answer 404 for an unknown order.
6. Log each change.

Submit `app.py` and `README.md`. Write tests.
"""
PLAN = """| id | task_type | description | after | estimated | actual | tools |
| t1 | testing | Test it | - | 20 | 30 | x |"""
_ENTRY = st.builds(
    "### [{}] {}\nlanguage: {}\nplace: a.md, {}\n\n{}\n\n#### Plan that was followed\n{}".format,
    st.integers(1, 3),
    st.text(alphabet=st.characters(blacklist_characters="\n"), min_size=1, max_size=20),
    st.sampled_from(["python", "rust", "unknown", "klingon"]),
    st.sampled_from(["Brief", "Risks", "Solution"]),
    st.text(max_size=200),
    st.text(alphabet="|t123 -,\ncore_implementationtestingdesign0", max_size=300),
)


def plan(messages: list[AnyMessage]) -> PlanDraft:
    """Draft a plan and check it."""
    draft = draft_plan(read_prompt(messages))
    assert find_faults(draft) == []
    build_plan(draft, title="x")
    assert 4 <= len(draft.tasks) <= 12
    assert all(0 < len(task.description) <= 110 for task in draft.tasks)
    return draft


def of_kind(draft: PlanDraft, kind: str) -> list[TaskDraft]:
    """Return the tasks of a kind."""
    return [task for task in draft.tasks if task.task_type == kind]


def value(task: TaskDraft, name: str) -> str:
    """Return a parameter of a task."""
    return next((one.value for one in task.parameters if one.name == name), "")


def test_plan_follows_the_brief(planner_prompt: Prompt, planned_entry: str) -> None:
    """What the brief names stands in the plan."""
    draft = plan(planner_prompt(BRIEF, planned_entry, title="Shop API"))
    asked = draft.requirements
    assert asked.programming_language == "python"
    assert asked.framework == "fastapi"
    assert asked.deliverables == ["app.py", "README.md"]
    assert asked.deadline == "2026-12-12T17:00"
    assert (asked.testing_required, asked.documentation_required, asked.git_required) == (
        True,
        True,
        False,
    )
    assert "Refuse negative amounts." in draft.success_criteria
    covered = " ".join(value(task, "covers") for task in draft.tasks)
    assert all(word in covered for word in ("GET /orders", "login", "negative", "404", "Log each"))
    assert "`app.py` and `README.md`" in draft.tasks[-1].description


def test_plan_takes_kinds_order_and_minutes_from_the_past(
    planner_prompt: Prompt, planned_entry: str
) -> None:
    """The nearest past plan lends all but its words."""
    draft = plan(planner_prompt(BRIEF, planned_entry, title="Shop API"))
    assert [task.task_type for task in draft.tasks][:2] == [
        "requirements_analysis",
        "project_setup",
    ]
    first = of_kind(draft, "core_implementation")[0]
    assert set(first.dependencies) == {"task_001", "task_002", "task_003"} & set(first.dependencies)
    assert value(first, "based_on") == "Zebra records API"
    assert value(first, "past_minutes") == "240 for all implementation"
    total = sum(task.estimated_duration for task in of_kind(draft, "core_implementation"))
    assert 240 <= total <= 480
    assert value(of_kind(draft, "testing")[0], "past_minutes") == "60"
    assert "zebra" not in " ".join(task.description for task in draft.tasks).lower()


def test_plan_without_past_uses_defaults(planner_prompt: Prompt) -> None:
    """An empty documents block and a one-line request are enough."""
    draft = plan(planner_prompt("plan a todo app in Rust"))
    assert draft.requirements.programming_language == "rust"
    assert draft.requirements.deadline is None
    assert draft.requirements.framework is None
    assert draft.requirements.deliverables == ["Source code of the todo app"]
    assert "cargo" in of_kind(draft, "project_setup")[0].tool_requirements
    assert value(draft.tasks[0], "based_on").startswith("embedded default")
    assert any("does not say when it is due" in risk for risk in draft.risk_factors)


def test_language_is_lent_by_the_past_and_said_so(
    planner_prompt: Prompt, entry: Callable[..., str]
) -> None:
    """A brief without a language gets the nearest one's, and the plan says where from."""
    brief = "Write an API for zebra records: store zebras, check the login, test all routes."
    draft = plan(planner_prompt(brief, entry(language="kotlin", plan="")))
    assert draft.requirements.programming_language == "kotlin"
    assert any("'Zebra records API'" in risk for risk in draft.risk_factors)
    for documents in ("", entry(language="kotlin", plan="")):
        far = plan(planner_prompt("Count the vowels of a word.", documents))
        assert far.requirements.programming_language == "unspecified"
        assert "Choose the programming language" in far.tasks[0].description


def test_minutes_stay_near_the_usual(planner_prompt: Prompt, entry: Callable[..., str]) -> None:
    """What a set-up took elsewhere is trusted within bounds; of several plans the middle counts."""
    row = "| t1 | project_setup | x | - | {0} | {0} | git |\n"
    head = "| id | task_type | description | after | estimated | actual | tools |\n"
    slow = entry(1, title="Slow", place="s.md, Brief", plan=head + row.format(600))
    draft = plan(planner_prompt(BRIEF, slow, title="Shop"))
    assert of_kind(draft, "project_setup")[0].estimated_duration == 50
    usual = entry(2, title="Usual", place="u.md, Brief", plan=head + row.format(20))
    quick = entry(3, title="Quick", place="q.md, Brief", plan=head + row.format(1))
    task = of_kind(plan(planner_prompt(BRIEF, f"{slow}\n\n{usual}\n\n{quick}")), "project_setup")[0]
    assert value(task, "based_on") == "Usual"
    assert value(task, "past_minutes") == "20"


def test_equal_titles_are_not_one_assignment(entry: Callable[..., str]) -> None:
    """Passages belong together by their document, not by a title such as `Exercise 1`."""
    one = entry(1, title="Exercise 1", place="a.md, Brief", language="rust", plan=PLAN)
    other = entry(2, title="Exercise 1", place="b.md, Risks", passage="- Beware of giraffes.")
    more = entry(3, title="Exercise 1", place="a.md, Risks", passage="- Beware of zebras.")
    bare = entry(4, title="Exercise 1", place="c.md", language="go")
    found = past_assignments(entries(f"{one}\n\n{other}\n\n{more}\n\n{bare}"))
    assert [past.language for past in found] == ["rust", "python", "go"]
    assert [past.lessons for past in found] == [
        ("Beware of zebras.",),
        ("Beware of giraffes.",),
        (),
    ]


def test_essay_is_no_programming_project(planner_prompt: Prompt) -> None:
    """A wish for a text is planned as reading and writing."""
    draft = plan(planner_prompt("Plan my essay about climate change"))
    assert draft.requirements.programming_language == "unspecified"
    assert draft.requirements.deliverables == ["The essay about climate change"]
    said = " ".join(task.description for task in draft.tasks)
    assert "project" not in said
    assert "Make sure that" not in said
    assert "Write the essay about climate change and name the sources" in said
    assert not any("programming language" in risk for risk in draft.risk_factors)
    assert of_kind(plan(planner_prompt("Plan my essay generator app")), "project_setup")
    nameless = plan(planner_prompt("help me plan: essay"))
    assert nameless.requirements.deliverables == ["Written answer on the assignment"]


def test_grammar_of_the_set_up(planner_prompt: Prompt) -> None:
    """The article follows the sound."""
    said = plan(planner_prompt("Analyse the zebras in R with a report.")).tasks[0].description
    assert "an R project" in said


def test_bans_stand_in_the_plan(planner_prompt: Prompt) -> None:
    """A ban is a criterion and a task's words, and raises no risk."""
    brief = "1. Sort names\n2. Print names\n\nDo not use threads, a database or the network."
    draft = plan(planner_prompt(brief, title="Names"))
    said = " ".join(task.description for task in draft.tasks)
    assert "without threads, a database or the network" in said
    assert "two actions" not in said
    assert not any(risk.startswith(("Database", "Concurr")) for risk in draft.risk_factors)
    assert "Do not use threads, a database or the network." in draft.success_criteria


def test_web_brief_is_planned_with_javascript(
    planner_prompt: Prompt, entry: Callable[..., str]
) -> None:
    """A page is JavaScript, whatever the past was written in."""
    brief = "- [ ] User can click a button\n- [ ] User can see the page change"
    draft = plan(planner_prompt(brief, entry(language="rust"), title="Pager"))
    assert draft.requirements.programming_language == "javascript"
    assert "browser" in of_kind(draft, "core_implementation")[0].tool_requirements


def test_past_plan_without_minutes_is_passed_over(
    planner_prompt: Prompt, entry: Callable[..., str]
) -> None:
    """Torn rows are left out; a plan without implementation lends none."""
    table = (
        "| id | t | d | a | e | a | t |\n| t1 | testing | x | - | 30 | | y |\n| t2 | design "
        "| x | - | ? | ? | y |"
    )
    draft = plan(planner_prompt(BRIEF, entry(plan=table), title="Shop"))
    assert value(of_kind(draft, "testing")[0], "past_minutes") == "30"
    assert value(of_kind(draft, "core_implementation")[0], "based_on").startswith("embedded")


def test_required_tests_are_the_testing_task(planner_prompt: Prompt) -> None:
    """What asks for tests is not implementation, unless there is nothing else."""
    draft = plan(
        planner_prompt("1. Store orders\n2. List orders\n3. At least 12 pytest tests", title="Shop")
    )
    assert of_kind(draft, "testing")[0].description == "Write at least 12 pytest tests"
    assert "12" not in "".join(one.description for one in of_kind(draft, "core_implementation"))
    alone = plan(planner_prompt("1. Write 12 tests", title="Shop"))
    assert of_kind(alone, "core_implementation")[0].description == "Write 12 tests"


def test_bonus_is_a_task_of_its_own(planner_prompt: Prompt) -> None:
    """What is optional comes last and says so."""
    brief = (
        "## Stories\n- [ ] User can vote\n- [ ] User can see votes\n\n## Bonus\n- [ ] User "
        "can log in"
    )
    draft = plan(planner_prompt(brief, title="Votes"))
    assert of_kind(draft, "core_implementation")[-1].description == "Bonus: Let the user log in"
    assert "Bonus: User can log in" in draft.success_criteria


def test_notebook_is_run_not_unit_tested(planner_prompt: Prompt) -> None:
    """A notebook is checked by running it."""
    brief = (
        '```python\ngrader = otter.Notebook("hw04.ipynb")\n```\n# Bikes\n\nLoad `bikes.csv`.\n\n'
        "### Question 1a\nDecode the columns.\n\n### Question 1b\nPlot the counts and explain them."
    )
    draft = plan(planner_prompt(brief, title="Bikes"))
    assert draft.requirements.deliverables == ["hw04.ipynb"]
    assert draft.requirements.programming_language == "python"
    assert "run all cells" in of_kind(draft, "testing")[0].description
    assert of_kind(draft, "data_preparation")[0].description.startswith("Load `bikes.csv`")
    assert "beside the code" in of_kind(draft, "documentation")[0].description
    assert of_kind(draft, "design") == []


def test_research_brief_has_no_setup(planner_prompt: Prompt, planned_entry: str) -> None:
    """Research is read, written and handed in."""
    draft = plan(
        planner_prompt("Research AMQP. Compare it with MQTT.", planned_entry, title="MQTT")
    )
    kinds = [task.task_type for task in draft.tasks]
    assert kinds[0] == "requirements_analysis"
    assert kinds[-2:] == ["documentation", "final_review"]
    assert "project_setup" not in kinds
    assert draft.requirements.deliverables == ["Written answer on MQTT"]


def test_near_and_past_deadlines_are_risks(planner_prompt: Prompt) -> None:
    """Time is the first risk where it is short."""
    near = plan(planner_prompt(f"{BRIEF}\n", today="2026-12-11", title="Shop"))
    assert near.risk_factors[0].startswith("The deadline 2026-12-12T17:00 is 1 day away")
    today = plan(planner_prompt("Build a page. Due 12 December 2026.", today="2026-12-12"))
    assert " is today " in today.risk_factors[0]
    late = plan(planner_prompt("Build a page. Due 12 December 2020.", today="2026-12-11"))
    assert "lies in the past" in late.risk_factors[0]
    assert "Handed in before 2020-12-12" in late.success_criteria
    unclear = plan(planner_prompt("Build a page. Due 3/4/2027."))
    assert unclear.requirements.deadline == "3/4/2027"
    assert "two different days" in unclear.risk_factors[0]


def test_lessons_of_the_past_are_told_where_they_fit(
    planner_prompt: Prompt, entry: Callable[..., str]
) -> None:
    """A lesson that shares words with the brief is a risk; another is not."""
    fits = "- A login stored orders before the negative amounts were refused."
    misses = "- Giraffes need tall doors, which nobody had measured."
    risks = plan(
        planner_prompt(BRIEF, entry(place="z.md, Risks", passage=f"{fits}\n{misses}"), title="Shop")
    ).risk_factors
    assert any("Learnt in a past assignment (Zebra records API): A login" in risk for risk in risks)
    assert not any("Giraffes" in risk for risk in risks)


def test_passages_of_one_assignment_are_joined(
    planner_prompt: Prompt, entry: Callable[..., str], planned_entry: str
) -> None:
    """The plan may hang on any of the passages."""
    risks = entry(2, place="z.md, Risks", passage="- x")
    draft = plan(planner_prompt(BRIEF, f"{planned_entry}\n\n{risks}", title="Shop"))
    assert value(draft.tasks[0], "based_on") == "Zebra records API"


def test_design_names_what_the_brief_names(planner_prompt: Prompt) -> None:
    """Functions, routes and tables of the brief are what is designed and tested."""
    engine = "\n".join(f"- [ ] Caller can call `play{n}()` for a login" for n in range(5))
    draft = plan(planner_prompt(engine, title="Engine"))
    assert "`play0()`, `play1()` and `play2()`" in of_kind(draft, "design")[0].description
    assert "`play0()`" in of_kind(draft, "testing")[0].description
    tables = "\n".join(f"- [ ] Store thing {n} in the database" for n in range(5))
    assert "tables and fields" in of_kind(plan(planner_prompt(tables)), "design")[0].description
    pages = "\n".join(f"- [ ] User can click button {n} on the page" for n in range(9))
    assert "Sketch the page" in of_kind(plan(planner_prompt(pages)), "design")[0].description
    plain = "\n".join(f"- [ ] Compute thing {n}" for n in range(9))
    assert "Sketch the parts" in of_kind(plan(planner_prompt(plain)), "design")[0].description


def test_large_input_is_measured(planner_prompt: Prompt) -> None:
    """A brief that speaks of performance gets a task for it; starter code is used."""
    brief = f"{BRIEF}\nGet the starter code. Performance matters: less than 100 MB."
    draft = plan(planner_prompt(brief, title="Shop"))
    assert "Measure time and memory" in of_kind(draft, "performance")[0].description
    assert "starter code" in of_kind(draft, "project_setup")[0].description


def test_tests_and_documents_are_handed_in_where_asked(planner_prompt: Prompt) -> None:
    """Without named files, what is required is what is handed in."""
    draft = plan(planner_prompt("Build a parser in Go. Write unit tests. Write documentation."))
    assert draft.requirements.deliverables[1:] == ["Tests", "Documentation"]
    assert "All tests pass from a clean copy" in draft.success_criteria


@settings(max_examples=120, deadline=None)
@given(text=st.text(max_size=600), documents=st.lists(_ENTRY, max_size=3))
def test_any_text_makes_a_valid_plan(text: str, documents: list[str]) -> None:
    """No text and no past plan can break a plan."""
    block = "\n\n".join(documents)
    wrapped = (
        f"<request 0123456789ab>\n{text}\n</request 0123456789ab>\n<documents "
        f"0123456789ab>\n{block}\n</documents 0123456789ab>"
    )
    draft = draft_plan(read_prompt([_human(wrapped)]))
    assert find_faults(draft) == []
    assert all(0 < len(task.description) <= 110 for task in draft.tasks)
    assert draft.model_dump_json()


def _human(text: str) -> AnyMessage:
    from langchain_core.messages import HumanMessage

    return HumanMessage(text)


@pytest.mark.parametrize(
    "unit",
    [
        "[a](",
        "- [ ] User can do it\n",
        "# Question 1a\n",
        "due ",
        "`x",
        "((((",
        "a ",
        "|x|\n",
        "<!--",
        "1. ",
        "due 1/1 ",
        "do not use ",
        "no ",
        "is not allowed ",
        "Due Dec 4. ",
        "(due Dec 4) ",
        "a thing is due 'Dec 4' ",
        '- "a" is 1\n',
    ],
)
def test_huge_text_is_planned_in_time(unit: str) -> None:
    """A megabyte of anything takes less than a second of work."""
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    draft = draft_plan(Asked(request=text, title="Huge"))
    assert time.process_time() - start < 2
    assert find_faults(draft) == []


def test_other_languages_are_planned(planner_prompt: Prompt) -> None:
    """A brief in German or Chinese gets a plan of its own sentences."""
    german = "Schreibe ein Programm in Java, das Primzahlen berechnet. Abgabe bis 12.12.2026."
    draft = plan(planner_prompt(german, title="Primzahlen"))
    assert draft.requirements.programming_language == "java"
    assert draft.requirements.deadline == "2026-12-12"
    assert any("Primzahlen" in criterion for criterion in draft.success_criteria)
    plan(planner_prompt("用Python写一个冒泡排序", title="排序"))
