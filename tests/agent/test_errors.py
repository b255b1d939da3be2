"""Every error of every floor has a way out."""

import importlib
import pkgutil

import pytest

import agent
import graphs
import prompts
import retrieval
from agent.errors import AssistantError, translate
from graphs.errors import GraphError
from prompts import PromptError
from retrieval.errors import RetrievalError

for package in (agent, graphs, prompts, retrieval):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def kinds_below(kind: type[Exception]) -> list[type[Exception]]:
    """Return a kind of error and all kinds below it."""
    return [kind, *(sub for child in kind.__subclasses__() for sub in kinds_below(child))]


@pytest.mark.parametrize(
    "kind", [k for base in (GraphError, PromptError, RetrievalError) for k in kinds_below(base)]
)
def test_floor_error_is_translated_when_it_leaves(kind: type[Exception]) -> None:
    """Its sentence is ours to show."""
    known = translate(kind("what, which, what to do"), run_id="r1")
    assert str(known) == "what, which, what to do"
    assert known.run_id == "r1"


@pytest.mark.parametrize("kind", kinds_below(AssistantError))
def test_error_has_status_and_exit_code_when_it_leaves(kind: type[AssistantError]) -> None:
    """Wrong calls are 4xx and 2; the rest is 5xx."""
    assert 400 <= kind.status < 600
    assert kind.exit_code in {1, 2}
    if 400 <= kind.status < 500:
        assert kind.exit_code == 2


def test_stranger_is_not_quoted_when_translated() -> None:
    """Only the kind of an unknown error is named."""
    assert "secret" not in str(translate(ValueError("secret")))
