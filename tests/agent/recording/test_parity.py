"""Every run that LangChain's own tracer would send is recorded and sent, as it would send it.

Both listen to the same invocations of many shapes of graphs. Whatever differs stands in
`DIFFERENCES`, and in docs/trace.md with the reason.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from langsmith.env import get_langchain_env_var_metadata

from agent.database import Database
from agent.prices import PriceList
from agent.privacy.owner import Owner
from agent.privacy.redaction import Redactor
from agent.recording.backlog import Backlog
from agent.recording.frames import RunShaper
from agent.recording.handler import RecordingHandler
from agent.recording.langsmith import LangSmith
from agent.recording.rows import RowMaker
from agent.recording.run_store import RunStore
from agent.recording.shipper import Pace, Shipper
from agent.recording.writer import Writer
from tests.agent.recording.shapes_of_graphs import SHAPES, Shape
from tests.servers.langsmith import LangSmithServer, usage_of
from tests.servers.running import running

PAGE = Path(__file__).parents[3] / "docs" / "trace.md"
PROJECT = "parity"
Sent = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One that is meant, by the words with which docs/trace.md gives the reason."""

    what: str
    field: str
    holds: Callable[[Any, Any], bool]

    def explains(self, field: str, stock: Any, own: Any) -> bool:
        """Say whether this is why a field differs."""
        return re.fullmatch(self.field, field) is not None and self.holds(stock, own)


DIFFERENCES = (
    Difference("Nameless steps", "name", lambda stock, own: (stock, own) == ("Unnamed", "chain")),
    Difference("Embeddings", "run_type", lambda stock, own: (stock, own) == ("llm", "embedding")),
    Difference(
        "A stop for a person", "error", lambda stock, own: (stock, own) == ("GraphInterrupt", None)
    ),
    Difference(
        "A stream that its reader leaves",
        "error",
        lambda stock, own: (stock, own) == ("GeneratorExit", "CancelledError"),
    ),
    Difference(
        "A stream without an end",
        "error",
        lambda stock, own: (stock, own) == (None, "no finish reason"),
    ),
    Difference(
        "The model's name",
        "metadata.ls_model_name",
        lambda stock, own: own.startswith(stock or "gpt-4o"),
    ),
    Difference(
        "The kind of a model",
        "metadata.ls_model_type",
        lambda stock, own: (stock, own) == (None, "llm"),
    ),
    Difference(
        "Parameters",
        "metadata.(_type|temperature|responses|response_schema)",
        lambda _, own: own is None,
    ),
    Difference("The machine", "metadata.revision_id", lambda _, own: own is None),
    Difference("Costs", "usage.(in|out|total)(put)?_cost", lambda stock, _: stock is None),
    Difference(
        "What the record knows besides",
        "metadata.(status|paused|user_id|session_id|model_asked|price_reference|ls_provider)",
        lambda stock, _: stock is None,
    ),
    Difference("Functions that LangSmith traces", "run", lambda _, own: own is None),
)


@dataclass(frozen=True)
class Traced:
    """The runs of one shape, by their ids."""

    stock: Mapping[str, Sent]
    own: Mapping[str, Sent]


def trace(shape: Shape, folder: Path, stock_base: str, own_base: str) -> None:
    """Run a shape with both tracers, each with a LangSmith of its own."""
    database = Database.open(f"sqlite:///{folder / shape.__name__}.db")
    writer = Writer(RunStore(database))
    rows = RowMaker(
        process_id="p1", sends=True, has_consent=lambda _: True, make_redactor=lambda _: Redactor()
    )
    handler = RecordingHandler(
        writer, rows, prices=PriceList(), default_owner=Owner("u1"), adopts=True
    )
    client = Client(stock_base, api_key="k")
    tracer = LangChainTracer(client=client, project_name=PROJECT)
    shape({"callbacks": [tracer, handler]}, client)
    client.flush()
    client.close()
    writer.close()
    ship(database, own_base)
    database.close()
    assert not handler._open


def ship(database: Database, base: str) -> None:
    """Send what was recorded."""
    shipper = Shipper(
        Backlog(database, "p1"),
        LangSmith(base, "k", project=PROJECT),
        RunShaper(project=PROJECT),
        has_consent=lambda _: True,
        opinions_of=lambda _: (),
        pace=Pace(poll=0.05, gather=0.01),
    )
    shipper.start()
    assert shipper.flush(20)
    shipper.close()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Traced]:
    """Every shape, run once, in an installation that says its revision as a checkout does."""
    folder = tmp_path_factory.mktemp("parity")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGSMITH_REVISION_ID", "r1")
        get_langchain_env_var_metadata.cache_clear()
        try:
            return trace_all(folder)
        finally:
            get_langchain_env_var_metadata.cache_clear()


def trace_all(folder: Path) -> dict[str, Traced]:
    """Run every shape."""
    traced, stock, own = {}, LangSmithServer(), LangSmithServer()
    with running(stock.app) as stock_base, running(own.app) as own_base:
        for shape in SHAPES:
            trace(shape, folder, stock_base, own_base)
            traced[shape.__name__] = Traced({**stock.runs}, {**own.runs})
            stock.runs.clear()
            own.runs.clear()
    return traced


def compare(traced: Traced) -> Iterator[tuple[str, Any, Any]]:
    """Return each field that differs, as the stock tracer and as we send it."""
    for run_id in {**traced.stock, **traced.own}:
        stock, own = traced.stock.get(run_id), traced.own.get(run_id)
        if stock is None or own is None:
            yield "run", stock and stock["name"], own and own["name"]
            continue
        left, right = fields_of(stock), fields_of(own)
        for field in {**left, **right}:
            if left.get(field) != right.get(field):
                yield field, left.get(field), right.get(field)


def fields_of(run: Sent) -> dict[str, Any]:
    """Return what can be compared of a run: everything but texts and times."""
    error = re.match(r"[\w ]+", run.get("error") or "")
    metadata = {**run["extra"]["metadata"]}
    metadata.pop("usage_metadata", None)
    return {
        **{name: run.get(name) for name in ("name", "run_type", "parent_run_id", "trace_id")},
        "session_name": run["session_name"],
        "order": [place[-36:] for place in run["dotted_order"].split(".")],
        "tags": sorted(run.get("tags") or ()),
        "has_ended": bool(run.get("end_time")),
        "error": error[0] if error else None,
        **{f"metadata.{name}": value for name, value in metadata.items()},
        **{f"usage.{name}": value for name, value in usage_of(run).items()},
    }


@pytest.mark.parametrize("name", [shape.__name__ for shape in SHAPES])
def test_runs_are_sent_as_the_stock_tracer_does_when_both_listen(
    traced: dict[str, Traced], name: str
) -> None:
    """Name, type, place, tags, end, error, tokens and metadata, of every run."""
    found = traced[name]
    assert found.own
    unexplained = [
        difference
        for difference in compare(found)
        if not any(known.explains(*difference) for known in DIFFERENCES)
    ]
    assert unexplained == []


@pytest.mark.parametrize("name", [shape.__name__ for shape in SHAPES])
def test_places_fit_together_when_a_tree_is_sent(traced: dict[str, Traced], name: str) -> None:
    """A run's place begins with its parent's, whoever sends the parent, and sorts as it ran."""
    found = traced[name]
    everything = {**found.stock, **found.own}
    for run in found.own.values():
        if parent := run.get("parent_run_id"):
            above = everything[parent]["dotted_order"] if parent in everything else ""
            assert run["dotted_order"].startswith(above)
    for first, second in pairwise(sorted(found.stock.values(), key=place_of)):
        known = first["id"] in found.own and second["id"] in found.own
        # Runs side by side start at the same moment, and either may be heard of first.
        if known and first.get("end_time", "9") <= second["start_time"]:
            assert place_of(found.own[first["id"]]) < place_of(found.own[second["id"]])


def place_of(run: Sent) -> str:
    """Return what LangSmith sorts runs by."""
    return str(run["dotted_order"])


@pytest.mark.parametrize("known", DIFFERENCES, ids=lambda known: known.what)
def test_difference_is_explained_when_it_is_listed(
    traced: dict[str, Traced], known: Difference
) -> None:
    """Each one occurs, and its reason stands on the page."""
    everything = [one for found in traced.values() for one in compare(found)]
    assert any(known.explains(*difference) for difference in everything)
    assert f"| {known.what} |" in PAGE.read_text("utf-8")
