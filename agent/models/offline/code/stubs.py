"""Files in languages without a writer of their own: stubs where the form is known, else remarks."""

from collections.abc import Callable, Mapping

from agent.models.offline.code.lines import Written, file
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import camel, distinct, pascal, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Spec
from agent.models.offline.reading.languages import toolset

_COMMENTS = {
    "haskell": "--",
    "lua": "--",
    "matlab": "%",
    "prolog": "%",
    "clojure": ";;",
    **dict.fromkeys(("php", "csharp", "kotlin", "swift", "scala", "dart", "zig"), "//"),
}
_KOTLIN = {
    "int": "Int",
    "float": "Double",
    "bool": "Boolean",
    "date": "java.time.LocalDate",
    "str": "String",
    "list": "List<String>",
    "map": "Map<String, String>",
    "": "Any",
}
_CSHARP = {
    "int": "int",
    "float": "double",
    "bool": "bool",
    "date": "System.DateTime",
    "str": "string",
    "list": "System.Collections.Generic.List<string>",
    "map": "System.Collections.Generic.Dictionary<string, string>",
    "": "object",
}
_DEFAULTS = {"str": ' = "";', "list": " = new();"}


def write_stub(spec: Spec, language: str) -> Written:
    """Write one file; a language whose form is not known gets what to do as remarks."""
    names = [function.name for function in spec.functions] or [
        snake(one.name) for one in spec.entities
    ]
    stem = (names or ["solve"])[0].rstrip("_")
    stem = pascal(stem) if language in {"kotlin", "csharp"} else stem
    path = f"{stem}.{toolset(language).suffix}"
    mark = _COMMENTS.get(language, "#")
    todo = [f"{mark} TODO: {remark(text)}" for text in spec.todo]
    if language == "html":
        lines = _html(spec)
    elif language in _STUBS and (names or language == "bash"):
        lines = _STUBS[language](spec, [f"{mark} {remark(spec.subject)}", *todo, ""])
    else:
        lines = [f"{mark} {remark(spec.subject)}", mark, *_remarks(spec, mark), *todo]
    if language == "bash":
        run = f"Run it with `bash {path}`; check it with `shellcheck {path}`."
    else:
        run = f"Open `{path}` and fill in the TODOs one by one."
    return Written([file(path, language, lines)], run)


def _remarks(spec: Spec, mark: str) -> list[str]:
    lines = []
    for one in spec.entities:
        fields = ", ".join(f"{field.name} ({field.type})" for field in one.fields)
        methods = "".join(f", {method.name}()" for method in one.methods)
        lines.append(f"{mark} TODO: {one.name} with {fields or 'its fields'}{methods}")
    for function in spec.functions:
        given = ", ".join(name for name, _ in function.parameters)
        lines.append(f"{mark} TODO: {function.name}({given}): {remark(function.says)}")
    return lines or [f"{mark} TODO: {remark(spec.subject)}"]


def _bash(spec: Spec, opening: list[str]) -> list[str]:
    methods = [method for one in spec.entities for method in one.methods]
    functions = [*spec.functions, *methods] or [Function("solve", (), "", spec.subject)]
    given = [snake(name) for name, _ in functions[0].parameters] or ["argument"]
    lines = [
        "#!/usr/bin/env bash",
        *opening,
        *_remarks(Spec("", spec.technology, spec.entities), "#")[: len(spec.entities)],
        "set -euo pipefail",
        "",
        f"if (( $# < {len(given)} )); then",
        f'  echo "usage: $0 {" ".join(f"<{name}>" for name in given)}" >&2',
        "  exit 2",
        "fi",
        "",
    ]
    for function in functions:
        lines += [
            f"{function.name}() {{",
            f"  # TODO: {remark(function.says, 70) or 'fill in'}",
            f'  echo "TODO: {function.name}" >&2',
            "  return 1",
            "}",
            "",
        ]
    return [*lines, f'{functions[0].name} "$@"']


def _kotlin(spec: Spec, opening: list[str]) -> list[str]:
    lines = opening
    for one in spec.entities:
        fields = one.fields or (() if one.methods else (Field("id", "int"),))
        names = distinct(camel(field.name) for field in fields)
        given = ", ".join(
            f"val {name}: {_KOTLIN[field.type]}" for name, field in zip(names, fields, strict=True)
        )
        if given:
            lines.append(f"// TODO: {'check the values' if one.fields else 'declare the fields'}.")
        head = f"data class {one.name}({given})" if given else f"class {one.name}"
        body = [line for method in one.methods for line in _kotlin_function(method, "    ")]
        lines += [f"{head} {{", *body, "}", ""] if body else [head, ""]
    for function in spec.functions:
        lines += [*_kotlin_function(function, ""), ""]
    return lines


def _kotlin_function(function: Function, indent: str) -> list[str]:
    given = ", ".join(f"{camel(name)}: {_KOTLIN.get(k, k)}" for name, k in function.parameters)
    return [
        f"{indent}fun {camel(function.name)}({given}): {_KOTLIN[function.result]} =",
        f'{indent}    TODO("{remark(function.says, 70) or function.name}")',
    ]


def _csharp(spec: Spec, opening: list[str]) -> list[str]:
    lines = opening
    for one in spec.entities:
        fields = one.fields or (() if one.methods else (Field("id", "int"),))
        names = distinct(pascal(field.name) for field in fields)
        lines += [f"public class {one.name}", "{"]
        if fields:
            said = "check the values" if one.fields else "declare the fields"
            lines.append(f"    // TODO: {said}.")
        lines += [
            f"    public {_CSHARP[field.type]} {name} {{ get; set; }}"
            f"{_DEFAULTS.get(field.type, '')}"
            for name, field in zip(names, fields, strict=True)
        ]
        lines += [line for method in one.methods for line in _csharp_method(method, "")]
        lines += ["}", ""]
    if spec.functions:
        lines += ["public static class Functions", "{"]
        lines += [line for one in spec.functions for line in _csharp_method(one, "static ")]
        lines.append("}")
    return lines


def _csharp_method(method: Function, static: str) -> list[str]:
    given = ", ".join(f"{_CSHARP.get(k, k)} {camel(name)}" for name, k in method.parameters)
    return [
        f"    public {static}{_CSHARP[method.result]} {pascal(method.name)}({given})",
        "    {",
        f"        // TODO: {remark(method.says, 70) or 'fill in'}",
        f'        throw new System.NotImplementedException("{pascal(method.name)}");',
        "    }",
    ]


def _r(spec: Spec, opening: list[str]) -> list[str]:
    lines = opening
    for one in spec.entities:
        names = distinct(snake(field.name) for field in one.fields)
        kept = ", ".join(f"{name} = {name}" for name in names)
        lines += [
            f"new_{snake(one.name)} <- function({', '.join(names)}) {{",
            "  # TODO: check the values.",
            f'  structure(list({kept}), class = "{snake(one.name)}")',
            "}",
            "",
        ]
        for method in one.methods:
            lines += _r_function(method, f"{snake(one.name)}_{method.name}", ("self",))
    for function in spec.functions:
        lines += _r_function(function, function.name, ())
    return lines


def _r_function(function: Function, name: str, first: tuple[str, ...]) -> list[str]:
    given = ", ".join([*first, *(snake(one) for one, _ in function.parameters)])
    return [
        f"{name} <- function({given}) {{",
        f"  # TODO: {remark(function.says, 70) or 'fill in'}",
        f'  stop("TODO: {function.name}")',
        "}",
        "",
    ]


_STUBS: Mapping[str, Callable[[Spec, list[str]], list[str]]] = {
    "bash": _bash,
    "kotlin": _kotlin,
    "csharp": _csharp,
    "r": _r,
}


def _html(spec: Spec) -> list[str]:
    title = remark(spec.subject, 60)
    todo = [
        f"    <!-- TODO: {remark(text).replace('--', '-')} -->"
        for text in spec.todo or (spec.subject,)
    ]
    return [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "  <head>",
        '    <meta charset="utf-8">',
        '    <meta name="viewport" content="width=device-width, initial-scale=1">',
        f"    <title>{title.replace('<', ' ').replace('&', 'and')}</title>",
        "  </head>",
        "  <body>",
        "    <main>",
        *todo,
        "    </main>",
        "  </body>",
        "</html>",
    ]
