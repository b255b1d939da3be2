"""Python files for a spec: models that validate, operations and functions to fill in, tests."""

from collections.abc import Sequence

from agent.models.offline.code.lines import Written, checks, file, number, todo_lines
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import plural, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.python_tests import RESULTS, doc, records_given, test_files
from agent.models.offline.code.python_web import web_lines
from agent.models.offline.code.spec import Entity, Spec
from graphs.code import FileDraft

_TYPES = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "date": "date",
    "str": "str",
    "list": "list[str]",
    "map": "dict[str, object]",
    "": "object",
}
_ARGUMENTS = RESULTS
_CRUD = "create, read, update and delete"


def write_python(spec: Spec) -> Written:
    """Write the Python files of a spec."""
    is_web = spec.technology.framework == "fastapi" and bool(spec.entities or spec.routes)
    files: list[FileDraft] = []
    with_fields = [one for one in spec.entities if one.fields or not one.methods]
    if with_fields:
        files.append(_models(with_fields, is_pydantic=is_web))
    if spec.uses_sqlalchemy and with_fields:
        files.append(_tables(spec, with_fields))
    if spec.is_storing or is_web:
        files += [_operations(one, is_pydantic=is_web) for one in with_fields]
    if is_web or (spec.technology.framework == "flask" and spec.routes):
        files.append(_api(spec, with_fields))
    files += [_structure(spec, one) for one in spec.entities if one not in with_fields]
    if spec.functions or not files:
        files.append(_functions(spec))
    if spec.wants_tests:
        files += test_files(spec, with_fields, is_pydantic=is_web)
    run = "uvicorn api:app --reload" if is_web else f"python {files[0].path}"
    return Written(files, f"Run `{run}`; test with `python -m pytest` (pip install pytest).")


def _type(field: Field) -> str:
    return _TYPES[field.type]


def _models(entities: Sequence[Entity], *, is_pydantic: bool) -> FileDraft:
    needs_date = any(field.type == "date" for one in entities for field in one.fields)
    lines = [
        (
            f'"""Data models: {remark(", ".join(one.name for one in entities), 60)}. What a record '
            'holds and what makes it valid."""'
        ),
        "",
    ]
    if needs_date:
        lines.append("from datetime import date")
    if is_pydantic:
        lines += ["", "from pydantic import BaseModel, ConfigDict, Field", ""]
        body = [line for one in entities for line in _pydantic(one)]
    else:
        lines.insert(2, "from dataclasses import dataclass")
        lines += [
            "",
            "",
            "class ValidationError(ValueError):",
            '    """A value is not allowed; says which field and why."""',
        ]
        body = [line for one in entities for line in _dataclass(one)]
    return file("models.py", "python", [*lines, *body])


def _dataclass(entity: Entity) -> list[str]:
    lines = [
        "",
        "",
        "@dataclass",
        f"class {entity.name}:",
        f'    """One {snake(entity.name).replace("_", " ")}."""',
        "",
    ]
    if not entity.fields:
        return [*lines, "    # TODO: declare the fields.", "    id: int"]
    lines += [f"    {field.name}: {_type(field)}" for field in entity.fields]
    body: list[str] = []
    for field in entity.fields:
        for kind, message in checks(field):
            body += [
                f"        if {_wrong(field, kind)}:",
                f'            raise ValidationError("{field.name}: {message}")',
            ]
    if body:
        lines += [
            "",
            "    def __post_init__(self) -> None:",
            '        """Check every value once, when the record is made."""',
            *body,
        ]
    return [*lines, *_methods(entity)]


def _wrong(field: Field, kind: str) -> str:
    value = f"self.{field.name}"
    if kind == "empty":
        return f"not {value}.strip()"
    if kind == "email":
        return f'"@" not in {value}'
    return f"len({value}) > {kind.split()[1]}" if kind.startswith("longer") else f"{value} {kind}"


def _pydantic(entity: Entity) -> list[str]:
    own = [field for field in entity.fields if field.name != "id"]
    name = entity.name
    title = snake(name).replace("_", " ")
    base = [f"    {field.name}: {_type(field)}{_bounds(field)}" for field in own]
    change = [
        f"    {field.name}: {_type(field)} | None{_bounds(field, optional=True)}" for field in own
    ]
    nothing = ["    # TODO: declare the fields."]
    return [
        "",
        f"class {name}Create(BaseModel):",
        f'    """What a client sends to create a {title}."""',
        "",
        '    model_config = ConfigDict(extra="forbid")',
        "",
        *(base or nothing),
        "",
        "",
        f"class {name}Update(BaseModel):",
        f'    """What a client sends to change a {title}; what is left out stays."""',
        "",
        '    model_config = ConfigDict(extra="forbid")',
        "",
        *(change or nothing),
        "",
        "",
        f"class {name}({name}Create):",
        f'    """A stored {title}, as it is answered."""',
        "",
        "    id: int",
        *_methods(entity),
        "",
    ]


def _bounds(field: Field, *, optional: bool = False) -> str:
    said = ["default=None"] if optional else []
    if field.type in {"int", "float"}:
        said += [f"ge={number(field.least)}"] if field.least is not None else []
        said += [f"le={number(field.most)}"] if field.most is not None else []
    if field.type == "str":
        said.append("min_length=1")
        said += [f"max_length={number(field.most)}"] if field.most is not None else []
        said += [r'pattern=r"^[^@\s]+@[^@\s]+$"'] if "email" in field.name else []
    return f" = Field({', '.join(said)})" if said else ""


def _tables(spec: Spec, entities: Sequence[Entity]) -> FileDraft:
    lines = [
        f'"""Tables of {remark(spec.subject, 60)}, and how a session is opened."""',
        "",
        "from collections.abc import Iterator",
        "from datetime import date",
        "",
        "from sqlalchemy import create_engine",
        "from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column",
        "",
        'engine = create_engine("sqlite:///app.db")',
        "",
        "",
        "class Base(DeclarativeBase):",
        '    """What all tables share."""',
    ]
    for one in entities:
        lines += [
            "",
            "",
            f"class {one.name}Row(Base):",
            f'    """One row of {plural(snake(one.name))}."""',
            "",
        ]
        lines += [
            f'    __tablename__ = "{plural(snake(one.name))}"',
            "",
            "    id: Mapped[int] = mapped_column(primary_key=True)",
        ]
        for field in one.fields:
            if field.name != "id":
                unique = "unique=True" if "email" in field.name else ""
                kind = "str" if field.type == "list" else _type(field)
                lines.append(f"    {field.name}: Mapped[{kind}] = mapped_column({unique})")
    lines += [
        "",
        "",
        "def get_session() -> Iterator[Session]:",
        '    """Open a session, and close it in any case."""',
        "    Base.metadata.create_all(engine)",
        "    with Session(engine) as session:",
        "        yield session",
    ]
    return file("database.py", "python", lines)


_METHODS = (
    (
        "create",
        "new: {new}",
        "{name}",
        "Store a new {one} and return it as it was stored.",
        "give it an id and store it",
    ),
    (
        "get",
        "key: {key}",
        "{name}",
        "Return one {one}; raise NotFoundError where there is none.",
        "look it up",
    ),
    (
        "list_all",
        "limit: int = 100, offset: int = 0",
        "list[{name}]",
        "Return {many} in a stable order.",
        "read a page",
    ),
    (
        "update",
        "key: {key}, change: {change}",
        "{name}",
        "Change one {one} and return it.",
        "change only what is given",
    ),
    (
        "delete",
        "key: {key}",
        "None",
        "Delete one {one}; raise NotFoundError where there is none.",
        "delete it",
    ),
)
"""Name, parameters, result, docstring and hint of each operation."""


def _operations(entity: Entity, *, is_pydantic: bool) -> FileDraft:
    name, one = entity.name, snake(entity.name)
    many = plural(one)
    new = f"{name}Create" if is_pydantic else name
    change = f"{name}Update" if is_pydantic else name
    imported = f"{name}, {name}Create, {name}Update" if is_pydantic else name
    key = next((field for field in entity.fields if field.name in {"id", "number", "code"}), None)
    key_type = _type(key) if key and not is_pydantic else "int"
    lines = [
        f'"""Operations on {many}: {_CRUD}."""',
        "",
        f"from models import {imported}",
        "",
        "",
        "class NotFoundError(LookupError):",
        '    """There is no such record."""',
        "",
        "",
        f"class {name}Store:",
        f'    """Keeps {many}. Where they are kept is its own business."""',
    ]
    names = {"new": new, "change": change, "name": name, "key": key_type, "one": one, "many": many}
    for method, *texts, hint in _METHODS:
        given, result, says = (text.format_map(names) for text in texts)
        lines += [
            "",
            f"    def {method}(self, {given}) -> {result}:",
            f'        """{says}"""',
            f"        # TODO: {hint}.",
            f'        raise NotImplementedError("{name}Store.{method}")',
        ]
    return file(f"{one}_store.py", "python", lines)


def _api(spec: Spec, entities: Sequence[Entity]) -> FileDraft:
    return file("api.py", "python", web_lines(spec, entities))


def _structure(spec: Spec, entity: Entity) -> FileDraft:
    lines = [
        f'"""{entity.name}, to be filled in."""',
        "",
        "",
        f"class {entity.name}:",
        f'    """{doc(spec.subject)}"""',
    ]
    lines += [
        "",
        "    def __init__(self) -> None:",
        "        # TODO: choose what the class keeps.",
        "        self._size = 0",
    ]
    return file(f"{snake(entity.name)}.py", "python", [*lines, *_methods(entity)])


def _methods(entity: Entity) -> list[str]:
    lines: list[str] = []
    for method in entity.methods:
        given = "".join(
            f", {name}: {_ARGUMENTS.get(kind, kind)}" for name, kind in method.parameters
        )
        lines += [
            "",
            f"    def {method.name}(self{given}) -> {RESULTS[method.result]}:",
            f'        """{doc(method.says)}"""',
            "        # TODO: fill in.",
            f'        raise NotImplementedError("{entity.name}.{method.name}")',
        ]
    return lines


def _functions(spec: Spec) -> FileDraft:
    functions = spec.functions or (Function("solve", (("text", "str"),), "", spec.subject),)
    used = records_given(spec)
    title = f"Functions: {', '.join(one.name for one in functions)}" if used else spec.subject
    lines = [
        f'"""{doc(title)}"""',
        "",
        *(["import sys", ""] if spec.is_program else []),
        *(f"from models import {one.name}\n" for one in used),
        *todo_lines(spec, "#"),
        "",
    ]
    for function in functions:
        given = ", ".join(
            f"{name}: {_ARGUMENTS.get(kind, kind)}" for name, kind in function.parameters
        )
        lines += [
            f"def {function.name}({given}) -> {RESULTS[function.result]}:",
            f'    """{doc(function.says)}"""',
        ]
        for name, kind in function.parameters:
            if kind in {"int", "str", "list"}:
                lines += [
                    f"    if not isinstance({name}, {kind}):",
                    f'        raise TypeError("{name}: expected {kind}")',
                ]
        lines += [
            f"    # TODO: {remark(function.says, 70) or 'fill in'}.",
            f'    raise NotImplementedError("{function.name}")',
            "",
            "",
        ]
    first = functions[0]
    if spec.is_program:
        lines += [
            "def main(arguments: list[str]) -> int:",
            '    """Read the command line, do the work, return the exit status."""',
        ]
        lines += [
            "    if not arguments:",
            '        print("usage: give at least one argument", file=sys.stderr)',
            "        return 2",
        ]
        lines += [
            "    # TODO: turn the arguments into values and call the functions above.",
            f"    print({first.name}.__doc__)",
            "    return 0",
            "",
            "",
        ]
        lines += ['if __name__ == "__main__":', "    raise SystemExit(main(sys.argv[1:]))"]
    return file(f"{first.name}.py", "python", lines)
