"""What a request is refused for, each with OpenAI's status, words and code."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.servers.openai_strict import strict_fault

METHODS = frozenset(("json_schema", "json_object", "tools", "stream_usage"))
"""What a server may not know."""


class RefusedError(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        kind: str = "invalid_request_error",
        *,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"message": message, "type": kind, "param": param, "code": code}
        self.body: dict[str, Any] = {"error": error}
        """OpenAI's error JSON."""


def check_fault(fault: str | None) -> None:
    """Raise the error of a fault that is a status."""
    if fault == "429":
        message = "Rate limit reached for requests. Please try again later."
        raise RefusedError(message, 429, "requests", code="rate_limit_exceeded")
    if fault == "500":
        message = "The server had an error while processing your request. Sorry about that!"
        raise RefusedError(message, 500, "server_error")
    if fault == "400":
        message = "Invalid value for 'messages': this server was told to refuse."
        raise RefusedError(message, param="messages", code="invalid_value")


def check_key(authorization: str, key: str | None) -> None:
    """Refuse another bearer key than the one that is set."""
    given = authorization.removeprefix("Bearer ")
    if key is None or given == key:
        return
    if not given:
        raise RefusedError("You didn't provide an API key.", 401)
    shown = given[:3] + "*" * 8 + given[-4:]
    raise RefusedError(f"Incorrect API key provided: {shown}.", 401, code="invalid_api_key")


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a request's body."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError("We could not parse the JSON body of your request.")
    return body


def check_request(body: Mapping[str, Any], refuses: Iterable[str], refusal_status: int) -> None:
    """Refuse what is missing, what the server does not know, and schemas that are not strict."""
    for name in ("model", "messages"):
        if not body.get(name):
            message = f"Missing required parameter: '{name}'."
            raise RefusedError(message, param=name, code="missing_required_parameter")
    _check_methods(body, frozenset(refuses), refusal_status)
    _check_format(body)
    _check_tools(body)


def _check_methods(body: Mapping[str, Any], refuses: frozenset[str], status: int) -> None:
    kind = (body.get("response_format") or {}).get("type")
    if kind in refuses:
        message = f"'response_format' of type '{kind}' is not supported with this model."
        raise RefusedError(f"Invalid parameter: {message}", status, param="response_format")
    for method, name in (("tools", "tools"), ("stream_usage", "stream_options")):
        if method in refuses and body.get(name):
            message = f"Unrecognized request argument supplied: {name}"
            raise RefusedError(message, status, param=name)


def _check_format(body: Mapping[str, Any]) -> None:
    wanted = body.get("response_format") or {}
    name = "response_format"
    if wanted.get("type") == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        raise RefusedError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'.",
            param="messages",
        )
    if wanted.get("type") != "json_schema":
        return
    described = wanted.get("json_schema", {})
    if not described.get("name"):
        missing = f"{name}.json_schema.name"
        message = f"Missing required parameter: '{missing}'."
        raise RefusedError(message, param=missing, code="missing_required_parameter")
    if described.get("strict") and (fault := strict_fault(described.get("schema"))):
        # The words and the code: https://github.com/dottxt-ai/outlines/issues/1254
        message = f"Invalid schema for {name} '{described['name']}': {fault}"
        raise RefusedError(message, param=name)


def _check_tools(body: Mapping[str, Any]) -> None:
    functions = [tool.get("function", {}) for tool in body.get("tools") or ()]
    for position, function in enumerate(functions):
        if function.get("strict") and (fault := strict_fault(function.get("parameters"))):
            # The words and the code: https://github.com/567-labs/instructor/issues/1074
            raise RefusedError(
                f"Invalid schema for function '{function.get('name')}': {fault}",
                param=f"tools[{position}].function.parameters",
                code="invalid_function_parameters",
            )
    choice = body.get("tool_choice")
    if choice and not functions:
        message = "'tool_choice' is only allowed when 'tools' are specified."
        raise RefusedError(f"Invalid value for 'tool_choice': {message}", param="tool_choice")
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name")
        if name not in [function.get("name") for function in functions]:
            message = f"Tool choice '{name}' not found in 'tools' parameter."
            raise RefusedError(message, param="tool_choice")
