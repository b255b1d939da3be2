"""JavaScript and TypeScript for a spec: records that validate, functions to fill in, tests."""

from collections.abc import Sequence

from agent.models.offline.code.lines import Written, checks, file, number, sample, todo_lines
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import camel, distinct, plural, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Entity, Spec
from graphs.code import FileDraft

_TYPES = {
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "date": "Date",
    "str": "string",
    "list": "unknown[]",
    "map": "Record<string, unknown>",
    "": "unknown",
}
_SAMPLES = {
    "int": "3",
    "float": "1.5",
    "bool": "true",
    "str": '"abc"',
    "list": "[1, 2, 3]",
    "map": "{}",
}


def write_script(spec: Spec, *, is_typed: bool) -> Written:
    """Write the JavaScript files of a spec, or the TypeScript ones."""
    suffix = "ts" if is_typed else "mjs"
    language = "typescript" if is_typed else "javascript"
    files: list[FileDraft] = []
    for one in spec.entities:
        stem = snake(one.name).replace("_", "-")
        lines = _record(one, is_typed=is_typed)
        if spec.is_storing and not one.methods:
            lines += _store(one, is_typed=is_typed)
        files.append(file(f"{stem}.{suffix}", language, lines))
    if spec.routes:
        files.append(file(f"server.{suffix}", language, _server(spec, is_typed=is_typed)))
    if spec.functions or not files:
        functions = spec.functions or (Function("solve", (("text", "str"),), "", spec.subject),)
        stem = functions[0].name.replace("_", "-")
        files.append(
            file(f"{stem}.{suffix}", language, _functions(spec, functions, is_typed=is_typed))
        )
        if spec.wants_tests and not is_typed:
            files.append(file(f"{stem}.test.{suffix}", language, _function_tests(stem, functions)))
    if spec.wants_tests and not is_typed:
        for one in spec.entities:
            if one.fields:
                stem = snake(one.name).replace("_", "-")
                files.append(file(f"{stem}.test.{suffix}", language, _record_tests(stem, one)))
    first = files[0].path
    if is_typed:
        return Written(
            files, f"Compile with `npx tsc --strict {first}`; test with the runner of your course."
        )
    start = "node server.mjs (npm install express first)" if spec.routes else f"node {first}"
    return Written(files, f"Run `{start}`; test with `node --test`.")


def _name(field: Field) -> str:
    return camel(field.name)


def _typed(name: str, kind: str, *, is_typed: bool) -> str:
    return f"{name}: {_TYPES.get(kind, kind)}" if is_typed else name


def _record(entity: Entity, *, is_typed: bool) -> list[str]:
    if entity.methods and not entity.fields:
        opening = [f"/** {entity.name}, to be filled in. */", f"export class {entity.name} {{"]
        return [*opening, *_methods(entity, is_typed=is_typed)[1:], "}"]
    fields = entity.fields or (Field("id", "int"),)
    names = distinct(_name(field) for field in fields)
    given = ", ".join(names)
    shape = "; ".join(
        f"{name}: {_TYPES[field.type]}" for name, field in zip(names, fields, strict=True)
    )
    lines = [
        (
            f"/** One {snake(entity.name).replace('_', ' ')}; a wrong value is refused when it "
            "is made. */"
        ),
        f"export class {entity.name} {{",
    ]
    if is_typed:
        lines += [
            f"  {name}: {_TYPES[field.type]};" for name, field in zip(names, fields, strict=True)
        ]
        lines.append("")
    lines.append(f"  constructor({{ {given} }}{f': {{ {shape} }}' if is_typed else ''}) {{")
    for name, field in zip(names, fields, strict=True):
        for kind, message in _all_checks(field):
            lines += [
                f"    if ({_wrong(name, kind)}) {{",
                f'      throw new RangeError("{name}: {message}");',
                "    }",
            ]
        lines.append(f"    this.{name} = {name};")
    return [*lines, "  }", *_methods(entity, is_typed=is_typed), "}"]


def _all_checks(field: Field) -> list[tuple[str, str]]:
    kinds = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}
    first = [(kinds[field.type], f"must be a {kinds[field.type]}")] if field.type in kinds else []
    return [*first, *checks(field)]


def _wrong(name: str, kind: str) -> str:
    if kind == "integer":
        return f"!Number.isInteger({name})"
    if kind in {"number", "boolean", "string"}:
        return f'typeof {name} !== "{kind}"'
    if kind == "empty":
        return f'{name}.trim() === ""'
    if kind == "email":
        return f'!{name}.includes("@")'
    return f"{name}.length > {kind.split()[1]}" if kind.startswith("longer") else f"{name} {kind}"


def _store(entity: Entity, *, is_typed: bool) -> list[str]:
    name, many = entity.name, plural(snake(entity.name)).replace("_", " ")
    methods = (
        ("create", (("record", name),), name, "store it under a new id"),
        ("get", (("id", "number"),), name, "throw NotFoundError where there is none"),
        ("listAll", (), f"{name}[]", "return all in a stable order"),
        (
            "update",
            (("id", "number"), ("change", f"Partial<{name}>")),
            name,
            "change only what is given",
        ),
        ("remove", (("id", "number"),), "void", "throw NotFoundError where there is none"),
    )
    lines = [
        "",
        "/** There is no such record. */",
        "export class NotFoundError extends Error {}",
        "",
        f"/** Keeps {many}. Where they are kept is its own business. */",
        f"export class {name}Store {{",
    ]
    for index, (method, parameters, result, hint) in enumerate(methods):
        given = ", ".join(f"{one}: {kind}" if is_typed else one for one, kind in parameters)
        lines += [""] if index else []
        lines += [
            f"  {method}({given}){f': {result}' if is_typed else ''} {{",
            f"    // TODO: {hint}.",
            f'    throw new Error("TODO: {name}Store.{method}");',
            "  }",
        ]
    return [*lines, "}"]


def _methods(entity: Entity, *, is_typed: bool) -> list[str]:
    lines: list[str] = []
    for method in entity.methods:
        name = camel(method.name)
        given = ", ".join(
            _typed(camel(one), kind, is_typed=is_typed) for one, kind in method.parameters
        )
        result = f": {_TYPES[method.result]}" if is_typed else ""
        lines += [
            "",
            f"  {name}({given}){result} {{",
            "    // TODO: fill in.",
            f'    throw new Error("TODO: {entity.name}.{name}");',
            "  }",
        ]
    return lines


def _functions(spec: Spec, functions: Sequence[Function], *, is_typed: bool) -> list[str]:
    lines = todo_lines(spec, "//")
    used = {kind for one in functions for _, kind in one.parameters}
    for name in (one.name for one in spec.entities if is_typed and one.name in used):
        lines += [f'import type {{ {name} }} from "./{snake(name).replace("_", "-")}.ts";', ""]
    for function in functions:
        name = camel(function.name)
        given = ", ".join(
            _typed(camel(one), kind, is_typed=is_typed) for one, kind in function.parameters
        )
        result = f": {_TYPES[function.result]}" if is_typed else ""
        lines += [f"/** {remark(function.says)} */", f"export function {name}({given}){result} {{"]
        for one, kind in function.parameters:
            check = {
                "int": f"!Number.isInteger({camel(one)})",
                "str": f'typeof {camel(one)} !== "string"',
                "list": f"!Array.isArray({camel(one)})",
            }.get(kind)
            if check:
                lines += [
                    f"  if ({check}) {{",
                    f'    throw new TypeError("{camel(one)}: expected {kind}");',
                    "  }",
                ]
        lines += [
            f"  // TODO: {remark(function.says, 70) or 'fill in'}.",
            f'  throw new Error("TODO: {name}");',
            "}",
            "",
        ]
    return lines


def _server(spec: Spec, *, is_typed: bool) -> list[str]:
    given = (
        "request: express.Request, response: express.Response" if is_typed else "request, response"
    )
    lines = [
        'import express from "express";',
        "",
        "const app = express();",
        "app.use(express.json());",
        "",
    ]
    for method, path in spec.routes:
        safe = "/".join(
            f":{camel(part)}" if part[:1] in "{<:" else remark(part).replace(" ", "")
            for part in path.split("/")
        )
        lines += [
            f'app.{method.lower()}("{safe}", ({given}) => {{',
            "  // TODO: validate the input, call the operations, choose the status code.",
            f'  response.status(501).json({{ error: "TODO: {method} {safe}" }});',
            "});",
            "",
        ]
    return [*lines, 'app.listen(3000, () => console.log("http://localhost:3000"));']


def _record_tests(stem: str, entity: Entity) -> list[str]:
    names = distinct(_name(field) for field in entity.fields)
    values = [f"{name}: {_value(field)}" for name, field in zip(names, entity.fields, strict=True)]
    lines = [
        'import assert from "node:assert/strict";',
        'import { test } from "node:test";',
        f'import {{ {entity.name} }} from "./{stem}.mjs";',
        "",
        f"const good = {{ {', '.join(values)} }};",
        "",
        'test("good values are accepted", () => {',
        f"  assert.ok(new {entity.name}(good));",
        "});",
    ]
    bad = next((n for n, f in zip(names, entity.fields, strict=True) if _all_checks(f)), None)
    if bad:
        lines += [
            "",
            f'test("a missing {bad} is refused", () => {{',
            f"  assert.throws(() => new {entity.name}({{ ...good, {bad}: undefined }}), /{bad}/);",
            "});",
        ]
    return lines


def _value(field: Field) -> str:
    special = {"bool": "true", "date": 'new Date("2026-01-31")', "list": '["a"]'}
    if field.type == "float":
        return number(float(sample(field)))
    return special.get(field.type) or sample(field)


def _function_tests(stem: str, functions: Sequence[Function]) -> list[str]:
    names = distinct(camel(function.name) for function in functions)
    lines = [
        'import assert from "node:assert/strict";',
        'import { test } from "node:test";',
        f'import {{ {", ".join(names)} }} from "./{stem}.mjs";',
    ]
    for name, function in zip(names, functions, strict=True):
        given = ", ".join(_SAMPLES.get(kind, "null") for _, kind in function.parameters)
        lines += [
            "",
            f'test("{name} on a normal case", () => {{',
            f"  const result = {name}({given});",
            "  // TODO: compare with the value worked out by hand.",
            "  assert.notEqual(result, undefined);",
            "});",
        ]
    return lines
