"""Tests in Python for what is written: of models now, of functions once they are filled in."""

from collections.abc import Sequence

from agent.models.offline.code.lines import file, number, sample
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import distinct, remark, snake
from agent.models.offline.code.spec import Entity, Spec
from graphs.code import FileDraft

RESULTS = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "date": "date",
    "str": "str",
    "list": "list[object]",
    "map": "dict[str, object]",
    "": "object",
}
"""How a type is written in a signature."""
_SAMPLES = {
    "int": "3",
    "float": "1.5",
    "bool": "True",
    "str": '"abc"',
    "list": "[1, 2, 3]",
    "map": "{}",
}


def doc(text: str) -> str:
    """Return a docstring's sentence."""
    said = remark(text, 80).rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else "Fill in what this does."


def test_files(spec: Spec, entities: Sequence[Entity], *, is_pydantic: bool) -> list[FileDraft]:
    """Write the tests of the files of a spec."""
    files = [
        file(
            f"tests/test_{snake(one.name)}.py",
            "python",
            _model_tests(one, is_pydantic=is_pydantic),
        )
        for one in entities
    ]
    files += [_class_test(one) for one in spec.entities if one.methods and not one.fields]
    if spec.functions:
        module = spec.functions[0].name
        made = records_given(spec)
        record = [line for one in made for line in _made(one, is_pydantic=is_pydantic)]
        samples = {**_SAMPLES, **{one.name: snake(one.name) for one in made}}
        lines = [
            f'"""Tests of {module}; they fail until the functions are filled in."""',
            "",
            *(["from datetime import date", ""] if "date(" in "".join(record) else []),
            *(f"from models import {one.name}" for one in made),
            f"from {module} import {', '.join(distinct(f.name for f in spec.functions))}",
            "",
        ]
        for function in spec.functions:
            given = ", ".join(samples.get(kind, "None") for _, kind in function.parameters)
            kind = RESULTS[function.result].partition("[")[0]
            lines += [
                "",
                f"def test_{function.name}_on_a_normal_case() -> None:",
                f'    """{doc(function.says)}"""',
                *(
                    record
                    if any(kind in samples.keys() - _SAMPLES for _, kind in function.parameters)
                    else []
                ),
                f"    result = {function.name}({given})",
                "    # TODO: compare with the value worked out by hand.",
                f"    assert isinstance(result, {kind})",
                "",
            ]
        files.append(file(f"tests/test_{module}.py", "python", lines))
    return files


def records_given(spec: Spec) -> list[Entity]:
    """Return the records of `models` that the functions of a spec take."""
    kinds = {kind for function in spec.functions for _, kind in function.parameters}
    return [one for one in spec.entities if one.name in kinds and (one.fields or not one.methods)]


def _made(entity: Entity, *, is_pydantic: bool) -> list[str]:
    """Write a record that is made of good values."""
    values = {field.name: _value(field) for field in entity.fields}
    if is_pydantic or not values:
        values = {"id": "1", **values}
    given = [f"        {name}={value}," for name, value in values.items()]
    return [f"    {snake(entity.name)} = {entity.name}(", *given, "    )"]


def _class_test(entity: Entity) -> FileDraft:
    name, first = entity.name, entity.methods[0]
    given = ", ".join(_SAMPLES.get(kind, "None") for _, kind in first.parameters)
    lines = [
        f'"""Tests of {name}; they fail until it is filled in."""',
        "",
        f"from {snake(name)} import {name}",
        "",
        "",
        f"def test_{first.name}_on_an_empty_one() -> None:",
        f'    """A fresh {name} answers {first.name}."""',
        f"    {name}().{first.name}({given})",
        "    # TODO: check what has changed.",
    ]
    return file(f"tests/test_{snake(name)}.py", "python", lines)


def _model_tests(entity: Entity, *, is_pydantic: bool) -> list[str]:
    name = f"{entity.name}Create" if is_pydantic else entity.name
    fields = [field for field in entity.fields if not (is_pydantic and field.name == "id")]
    values = [f"    {field.name}={_value(field)}," for field in fields] or (
        [] if is_pydantic else ["    id=1,"]
    )
    bad = next(((field, value) for field in fields if (value := _bad(field))), None)
    error = "ValidationError"
    source = "pydantic" if is_pydantic else "models"
    imports = ["import pytest"] if bad else []
    if bad and is_pydantic:
        imports.append("from pydantic import ValidationError")
    if any(field.type == "date" for field in fields):
        imports.insert(0, "from datetime import date\n")
    from_models = f"from models import {name}" + (
        f", {error}" if bad and source == "models" else ""
    )
    lines = [
        f'"""Tests of the {snake(entity.name).replace("_", " ")} model."""',
        "",
        *imports,
        "",
        from_models,
        "",
        "",
        "GOOD = dict(",
        *values,
        ")",
        "",
        "",
    ]
    lines += [
        "def test_good_values_are_accepted() -> None:",
        '    """A complete record can be made."""',
        f"    assert {name}(**GOOD)",
    ]
    if bad:
        field, value = bad
        lines += [
            "",
            "",
            f"def test_bad_{field.name}_is_refused() -> None:",
            f'    """A wrong {field.name} is named in the error."""',
            f'    with pytest.raises({error}, match="{field.name}"):',
            f'        {name}(**{{**GOOD, "{field.name}": {value}}})',
        ]
    return lines


def _value(field: Field) -> str:
    return {"bool": "True", "date": "date(2026, 1, 31)", "list": '["a"]'}.get(field.type) or sample(
        field
    )


def _bad(field: Field) -> str:
    if field.type == "str":
        return '""'
    if field.type in {"int", "float"} and field.least is not None:
        return number(field.least - 1)
    return (
        number(field.most + 1) if field.type in {"int", "float"} and field.most is not None else ""
    )
