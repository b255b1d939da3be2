"""C and C++ files for a spec: records that validate, functions to fill in."""

from collections.abc import Mapping

from agent.models.offline.code.lines import Written, checks, fallback, file, todo_lines
from agent.models.offline.code.naming import distinct, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Entity, Spec

_C = {
    "int": "int",
    "float": "double",
    "bool": "bool",
    "date": "const char *",
    "str": "const char *",
    "list": "const int *",
    "map": "void *",
    "": "int",
}
_CPP = {
    "int": "int",
    "float": "double",
    "bool": "bool",
    "date": "std::string",
    "str": "std::string",
    "list": "std::vector<int>",
    "map": "std::map<std::string, std::string>",
    "": "int",
}


_C_TAKEN = frozenset(
    (
        "abort",
        "abs",
        "calloc",
        "div",
        "exit",
        "free",
        "malloc",
        "puts",
        "rand",
        "remove",
        "rename",
        "strlen",
        "system",
        "todo",
        "write",
        "read",
        "index",
    )
)


def write_c(spec: Spec) -> Written:
    """Write the C files of a spec: a header, its source and a test."""
    functions = fallback(spec) if spec.functions or not spec.entities else ()
    stem = snake(functions[0].name if functions else spec.entities[0].name).rstrip("_")
    methods = [
        Function(f"{snake(one.name)}_{m.name}", m.parameters, m.result, m.says)
        for one in spec.entities
        for m in one.methods
    ]
    header: list[str] = []
    source: list[str] = []
    for one in spec.entities:
        prototype = f"bool {snake(one.name)}_is_valid(const {one.name} *record)"
        header += [*_c_struct(one), f"{prototype};", ""]
        source += _c_validation(one, prototype)
    for function in (*functions, *methods):
        prototype = _c_prototype(function, _C, with_count=True)
        header += [f"/* {remark(function.says)} */", f"{prototype};", ""]
        source += _c_body(function, prototype)
    guard = f"{stem.upper()}_H"
    files = [
        file(
            f"{stem}.h",
            "c",
            [f"#ifndef {guard}", f"#define {guard}", "", *_C_HEADER, *header, "#endif"],
        ),
        file(f"{stem}.c", "c", [*todo_lines(spec, "//"), *_c_opening(stem), *source]),
        file(f"test_{stem}.c", "c", _c_test(stem)),
    ]
    return Written(
        files if spec.wants_tests else files[:2],
        f"Build and test with `gcc -std=c11 -Wall -Wextra {stem}.c test_{stem}.c -o "
        f"test_{stem} && ./test_{stem}`.",
    )


_C_HEADER = ("#include <stdbool.h>", "#include <stddef.h>", "")


def _c_opening(stem: str) -> list[str]:
    return [
        "#include <stdio.h>",
        "#include <stdlib.h>",
        "#include <string.h>",
        "",
        f'#include "{stem}.h"',
        "",
        "/* Ends the program: what is called is not written yet. */",
        "static void todo(const char *name) {",
        '    fprintf(stderr, "TODO: %s\\n", name);',
        "    abort();",
        "}",
        "",
    ]


def _c_validation(entity: Entity, prototype: str) -> list[str]:
    return [
        f"{prototype} {{",
        "    if (record == NULL) {",
        "        return false;",
        "    }",
        *_c_checks(entity),
        "    return true;",
        "}",
        "",
    ]


def _c_body(function: Function, prototype: str) -> list[str]:
    unused = [
        f"    (void){snake(name)};"
        for given, kind in function.parameters
        for name in ([given, f"{given}_count"] if kind == "list" else [given])
    ]
    return [
        f"{prototype} {{",
        *unused,
        f"    /* TODO: {remark(function.says, 70) or 'fill in'}. */",
        f'    todo("{function.name}");',
        "    return 0;",
        "}",
        "",
    ]


def _c_test(stem: str) -> list[str]:
    return [
        "#include <assert.h>",
        "#include <stdio.h>",
        "",
        f'#include "{stem}.h"',
        "",
        "int main(void) {",
        "    /* TODO: assert(...) one fact a line: the empty case, the smallest, a wrong one. */",
        f'    puts("{stem}: no test written yet");',
        "    return 0;",
        "}",
    ]


def _c_struct(entity: Entity) -> list[str]:
    names = distinct(snake(field.name) for field in entity.fields) or ["id"]
    types = [_C[field.type] for field in entity.fields] or ["int"]
    members = [
        f"    {kind}{'' if kind.endswith('*') else ' '}{name};"
        for kind, name in zip(types, names, strict=True)
    ]
    return ["typedef struct {", *members, f"}} {entity.name};", ""]


def _c_checks(entity: Entity) -> list[str]:
    lines: list[str] = []
    for name, field in zip(
        distinct(snake(field.name) for field in entity.fields), entity.fields, strict=True
    ):
        value = f"record->{name}"
        for kind, _ in checks(field):
            wrong = {
                "empty": f"{value} == NULL || {value}[0] == 0",
                "email": f"strchr({value}, 64) == NULL",
            }.get(kind)
            wrong = wrong or (
                f"strlen({value}) > {kind.split()[1]}"
                if kind.startswith("longer")
                else f"{value} {kind}"
            )
            lines += [f"    if ({wrong}) {{", "        return false;", "    }"]
    return lines


def _c_name(function: Function) -> str:
    """Return a function's name, apart from those of the C library."""
    return f"{function.name}_" if function.name in _C_TAKEN else snake(function.name)


def _c_prototype(function: Function, kinds: Mapping[str, str], *, with_count: bool) -> str:
    given = []
    mark = "*" if with_count else "&"
    for name, kind in function.parameters:
        written = kinds.get(kind, f"const {kind} {mark}")
        space = "" if written.endswith(("*", "&")) else " "
        given.append(f"{written}{space}{snake(name)}")
        if with_count and kind == "list":
            given.append(f"size_t {snake(name)}_count")
    result = kinds[function.result]
    space = "" if result.endswith("*") else " "
    return (
        f"{result}{space}{_c_name(function)}({', '.join(given) or ('void' if with_count else '')})"
    )


def write_cpp(spec: Spec) -> Written:
    """Write the C++ files of a spec: one header-only part and a program that uses it."""
    functions = fallback(spec) if spec.functions or not spec.entities else ()
    stem = snake(functions[0].name if functions else spec.entities[0].name).rstrip("_")
    lines = [
        "#pragma once",
        "",
        "#include <map>",
        "#include <stdexcept>",
        "#include <string>",
        "#include <vector>",
        "",
        *todo_lines(spec, "//"),
    ]
    for one in spec.entities:
        lines += _cpp_struct(one)
    for function in functions:
        lines += [
            f"// {remark(function.says)}",
            f"inline {_c_prototype(function, _CPP, with_count=False)} {{",
            f"    // TODO: {remark(function.says, 70) or 'fill in'}.",
            f'    throw std::logic_error("TODO: {function.name}");',
            "}",
            "",
        ]
    main = [
        "#include <iostream>",
        "",
        f'#include "{stem}.hpp"',
        "",
        "int main() {",
        "    // TODO: call what is declared in the header, and check the results.",
        f'    std::cout << "{stem}: nothing is called yet\\n";',
        "}",
    ]
    files = [file(f"{stem}.hpp", "cpp", lines), file("main.cpp", "cpp", main)]
    return Written(
        files, "Build and run with `g++ -std=c++17 -Wall -Wextra main.cpp -o main && ./main`."
    )


def _cpp_struct(entity: Entity) -> list[str]:
    names = distinct(snake(field.name) for field in entity.fields)
    lines = [
        f"// One {snake(entity.name).replace('_', ' ')}.",
        f"class {entity.name} {{",
        "public:",
    ]
    lines += [
        f"    {_CPP[field.type]} {name}{{}};"
        for name, field in zip(names, entity.fields, strict=True)
    ]
    body: list[str] = []
    for name, field in zip(names, entity.fields, strict=True):
        for kind, message in checks(field):
            wrong = {
                "empty": f"{name}.empty()",
                "email": f'{name}.find("@") == std::string::npos',
            }.get(kind)
            wrong = wrong or (
                f"{name}.size() > {kind.split()[1]}"
                if kind.startswith("longer")
                else f"{name} {kind}"
            )
            body += [
                f"        if ({wrong}) {{",
                f'            throw std::invalid_argument("{name}: {message}");',
                "        }",
            ]
    if body:
        lines += ["", "    void validate() const {", *body, "    }"]
    for method in entity.methods:
        lines += [
            "",
            f"    {_c_prototype(method, _CPP, with_count=False)} {{",
            "        // TODO: fill in.",
            f'        throw std::logic_error("TODO: {entity.name}::{method.name}");',
            "    }",
        ]
    return [*lines, "};", ""]
