"""What OpenAI's strict mode refuses in a JSON Schema, said in its words.

The published list: https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas
It names no string lengths among the supported keywords, and the API has answered
"'maxLength' is not permitted": https://github.com/jina-ai/node-DeepResearch/issues/79
A schema that passes here keeps to that list; what is on neither list is let through.
"""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_PROPERTIES = 5_000
MAX_LEVELS = 10
MAX_ENUM_VALUES = 1_000

Context = tuple[str, ...]
_FORBIDDEN = (
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
    "patternProperties", "propertyNames", "unevaluatedProperties", "minProperties",
    "maxProperties", "prefixItems", "unevaluatedItems", "contains", "minContains", "maxContains",
    "uniqueItems", "minLength", "maxLength", "default",
)  # fmt: skip
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
)
_ROOT_FORBIDDEN = ("oneOf", "anyOf", "allOf", "enum", "not")
_KINDS = frozenset(("type", "$ref", "anyOf", "enum", "const"))
"""The keywords of which a schema needs one to say anything."""


def strict_fault(schema: Any) -> str | None:
    """Return the first reason to refuse a schema, as the end of OpenAI's sentence."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    if any(keyword in schema for keyword in _ROOT_FORBIDDEN):
        forbidden = "/".join(f"'{keyword}'" for keyword in _ROOT_FORBIDDEN)
        return f"schema must have type 'object' and not have {forbidden} at the top level."
    for context, node in _walk(schema, ()):
        for fault in _node_faults(node):
            return f"In context={context!r}, {fault}"
    return _size_fault(schema)


def _walk(node: Any, context: Context) -> Iterator[tuple[Context, Any]]:
    yield context, node
    if not isinstance(node, Mapping):
        return
    for keyword in ("properties", "$defs", "definitions"):
        for name, child in node.get(keyword, {}).items():
            yield from _walk(child, (*context, keyword, name))
    if "items" in node:
        yield from _walk(node["items"], (*context, "items"))
    for position, child in enumerate(node.get("anyOf", ())):
        yield from _walk(child, (*context, "anyOf", str(position)))


def _types(node: Mapping[str, Any]) -> list[str]:
    kind = node.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _node_faults(node: Any) -> Iterator[str]:
    if not isinstance(node, Mapping):
        yield f"{node!r} is not of type 'object'."
        return
    yield from (f"'{keyword}' is not permitted." for keyword in _FORBIDDEN if keyword in node)
    if "$ref" in node and len(node) > 1:
        yield f"$ref cannot have keywords {set(node) - {'$ref'}}."
    if not _KINDS & node.keys():
        yield "schema must have a 'type' key."
    if node.get("format", "date") not in _FORMATS:
        yield f"'{node['format']}' is not a valid format."
    if "array" in _types(node) and "items" not in node:
        yield "array schema missing items."
    if "object" in _types(node):
        yield from _object_faults(node)


def _object_faults(node: Mapping[str, Any]) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    properties, required = node.get("properties", {}), node.get("required", [])
    listed = "'required' is required to be supplied and to be an array including every key in"
    yield from (f"{listed} properties. Missing '{k}'." for k in properties if k not in required)
    yield from (
        f"{listed} properties. Extra required key '{k}' supplied."
        for k in required
        if k not in properties
    )


def _size_fault(schema: Mapping[str, Any]) -> str | None:
    nodes = [node for _, node in _walk(schema, ())]
    values = sum(len(node.get("enum", ())) for node in nodes)
    for what, count, limit in (
        ("properties", sum(len(node.get("properties", {})) for node in nodes), MAX_PROPERTIES),
        ("enum values", values, MAX_ENUM_VALUES),
        ("levels of nesting", _levels(schema, schema, frozenset()), MAX_LEVELS),
    ):
        if count > limit:
            return f"{count} {what} exceeds limit of {limit}."
    return None


def _levels(node: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> int:
    """Count objects within objects; a schema that names itself is counted once."""
    if reference := node.get("$ref"):
        target = _resolve(reference, root)
        return 0 if reference in seen else _levels(target, root, seen | {reference})
    inner = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
    if "items" in node:
        inner.append(node["items"])
    below = max((_levels(child, root, seen) for child in inner), default=0)
    return below + ("object" in _types(node))


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    node = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        node = node.get(step, {}) if step else node
    return node
