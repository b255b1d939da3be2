"""Which schemas the strict test server refuses, and what it says."""

from typing import Any

import pytest

from graphs.code import CodeDraft
from graphs.plan import PlanDraft
from graphs.router import Decision
from tests.servers.openai_strict import strict_fault

OPEN: Any = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED: Any = {**OPEN, "required": ["a"], "additionalProperties": False}
FORBIDDEN = (
    "allOf", "oneOf", "not", "if", "dependentRequired", "dependentSchemas", "patternProperties",
    "minLength", "uniqueItems", "minProperties",
)  # fmt: skip


def nested(levels: int) -> dict[str, Any]:
    """Return a schema of objects within objects."""
    inner = nested(levels - 1) if levels > 1 else {"type": "string"}
    return {**CLOSED, "properties": {"a": inner}}


def having(**property_: Any) -> dict[str, Any]:
    """Return a strict schema whose only property is given."""
    return {**CLOSED, "properties": {"a": property_}}


STRICT = [
    ({**CLOSED, "type": "array"}, """schema must be a JSON Schema of 'type: "object"', got"""),
    ({"anyOf": [CLOSED]}, """got 'type: "None"'."""),
    ({**CLOSED, "anyOf": []}, "'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."),
    ({**CLOSED, "additionalProperties": True}, "In context=(), 'additionalProperties' is required"),
    ({**OPEN, "additionalProperties": False}, "every key in properties. Missing 'a'."),
    ({**CLOSED, "required": ["a", "b"]}, "Extra required key 'b' supplied."),
    (having(type="string", default=""), "In context=('properties', 'a'), 'default' is not"),
    (having(type="array"), "array schema missing items."),
    (having(type="array", items=OPEN), "In context=('properties', 'a', 'items'), 'additional"),
    (having(anyOf=[{"type": "null"}, OPEN]), "In context=('properties', 'a', 'anyOf', '1'), "),
    ({**CLOSED, "$defs": {"B": OPEN}}, "In context=('$defs', 'B'), 'additionalProperties'"),
    (having(**{"$ref": "#/$defs/B", "title": "B"}), "$ref cannot have keywords {'title'}."),
    (having(description="Anything."), "schema must have a 'type' key."),
    (having(type="string", format="uri"), "'uri' is not a valid format."),
    ({**CLOSED, "properties": {"a": True}}, "True is not of type 'object'."),
    (nested(11), "11 levels of nesting exceeds limit of 10."),
    (having(type="string", enum=["x"] * 1_001), "1001 enum values exceeds limit of 1000."),
    *(
        (having(type="string", **{keyword: {}}), f"'{keyword}' is not permitted.")
        for keyword in FORBIDDEN
    ),
]


@pytest.mark.parametrize(("schema", "reason"), STRICT)
def test_schema_is_refused_when_it_is_not_strict(schema: dict[str, Any], reason: str) -> None:
    """The reason is given in OpenAI's words, with the place in the schema."""
    assert reason in (strict_fault(schema) or "")


def test_schema_is_refused_when_it_has_too_many_properties() -> None:
    """Over the whole of it."""
    names = [f"p{number}" for number in range(5_001)]
    schema = {**CLOSED, "properties": {name: {"type": "null"} for name in names}, "required": names}
    assert strict_fault(schema) == "5001 properties exceeds limit of 5000."


TREE = {
    **having(**{"$ref": "#/$defs/tree"}),
    "$defs": {"tree": having(type="array", items={"$ref": "#/$defs/tree"})},
}
"""A schema that names itself."""

DRAFTS = [draft.model_json_schema() for draft in (PlanDraft, CodeDraft, Decision)]


@pytest.mark.parametrize("schema", [*DRAFTS, TREE, nested(10)])
def test_schema_is_taken_when_it_is_strict(schema: dict[str, Any]) -> None:
    """The project's own drafts are."""
    assert strict_fault(schema) is None
