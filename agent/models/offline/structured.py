"""JSON text as structured output: the wiring of a model, its schema and a parser.

A model that answers in JSON text can use it whatever its rules are; it knows no schema by name.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from pydantic import BaseModel

SCHEMA = "response_schema"
"""The call option that carries the JSON Schema of the answer that is due."""


def describe(schema: Mapping[str, Any] | type) -> dict[str, Any]:
    """Return the JSON Schema of a pydantic class, or the schema itself."""
    if isinstance(schema, type):
        return schema.model_json_schema() if issubclass(schema, BaseModel) else {}
    return dict(schema)


def json_text_output(
    model: BaseChatModel, schema: dict[str, Any] | type, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Bind a schema to a model that answers in JSON text, and parse what it says.

    Args:
        model: Gets the schema as the call option `response_schema`.
        schema: A pydantic class, which the text is parsed into, or a JSON Schema.
        include_raw: Return `{"raw", "parsed", "parsing_error"}` instead of the parsed value.

    """
    parser: Runnable[Any, Any] = JsonOutputParser()
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        parser = PydanticOutputParser(pydantic_object=schema)
    described = describe(schema)
    llm = model.bind(
        **{
            SCHEMA: described,
            "ls_structured_output_format": {"kwargs": {"method": "json_text"}, "schema": described},
        }
    )
    if not include_raw:
        return llm | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    tried: Runnable[Any, Any] = parsed.with_fallbacks([failed], exception_key="parsing_error")
    return RunnableMap(raw=llm) | tried
