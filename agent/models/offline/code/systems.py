"""Rust, Go and SQL files for a spec: records that validate, functions and queries to fill in."""

from agent.models.offline.code.lines import Written, checks, file, todo_lines
from agent.models.offline.code.members import Field
from agent.models.offline.code.naming import camel, distinct, pascal, plural, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Entity, Spec

_RUST = {
    "int": "i64",
    "float": "f64",
    "bool": "bool",
    "date": "String",
    "str": "String",
    "list": "Vec<String>",
    "map": "std::collections::HashMap<String, String>",
    "": "String",
}
_RUST_GIVEN = {
    **_RUST,
    "str": "&str",
    "list": "&[i64]",
    "map": "&std::collections::HashMap<String, String>",
}
_RUST_RESULT = {**_RUST, "list": "Vec<i64>"}
_GO = {
    "int": "int",
    "float": "float64",
    "bool": "bool",
    "date": "time.Time",
    "str": "string",
    "list": "[]string",
    "map": "map[string]string",
    "": "string",
}
_GO_FUNCTION = {**_GO, "list": "[]int", "date": "string"}
_SQL = {
    "int": "INTEGER",
    "float": "REAL",
    "bool": "INTEGER",
    "date": "TEXT",
    "str": "TEXT",
    "list": "TEXT",
    "map": "TEXT",
    "": "TEXT",
}
_RUST_WORDS = frozenset(("type", "ref", "mod", "use", "move", "dyn", "crate"))


def _default(spec: Spec) -> tuple[Function, ...]:
    if spec.functions:
        return spec.functions
    return () if spec.entities else (Function("solve", (("text", "str"),), "", spec.subject),)


def write_rust(spec: Spec) -> Written:
    """Write the Rust file of a spec, with its tests inside."""
    lines = [f"//! {remark(spec.subject)}", "", *todo_lines(spec, "//")]
    for one in spec.entities:
        lines += _rust_struct(one)
    for function in _default(spec):
        lines += _rust_function(function, "", receiver="")
    if spec.wants_tests:
        lines += [
            "#[cfg(test)]",
            "mod tests {",
            "    #[test]",
            "    fn normal_case() {",
            (
                "        // TODO: call the code above with use super::*; and compare with a "
                "value worked out by hand."
            ),
            "    }",
            "}",
        ]
    return Written(
        [file("src/lib.rs", "rust", lines)],
        "Run `cargo init --lib`, put the file in place, then `cargo test` and `cargo clippy`.",
    )


def _rust_struct(entity: Entity) -> list[str]:
    names = distinct(snake(field.name) for field in entity.fields)
    lines = [
        f"/// One {snake(entity.name).replace('_', ' ')}.",
        "#[derive(Debug, Clone, PartialEq, Default)]",
        f"pub struct {entity.name} {{",
    ]
    lines += [
        f"    pub {name}: {_RUST[field.type]},"
        for name, field in zip(names, entity.fields, strict=True)
    ]
    lines += ["}", "", f"impl {entity.name} {{"]
    if entity.fields:
        lines += [
            "    /// Check every value; the error says which field and why.",
            "    pub fn validate(&self) -> Result<(), String> {",
        ]
        for name, field in zip(names, entity.fields, strict=True):
            for kind, message in checks(field):
                lines += [
                    f"        if {_rust_wrong(name, kind, field)} {{",
                    f'            return Err("{name}: {message}".to_string());',
                    "        }",
                ]
        lines += ["        Ok(())", "    }"]
    for method in entity.methods:
        lines += _rust_function(method, "    ", receiver="&mut self")
    return [*lines, "}", ""]


def _rust_wrong(name: str, kind: str, field: Field) -> str:
    if kind == "empty":
        return f"self.{name}.trim().is_empty()"
    if kind == "email":
        return f"!self.{name}.contains('@')"
    if kind.startswith("longer"):
        return f"self.{name}.chars().count() > {kind.split()[1]}"
    is_whole = field.type == "float" and "." not in kind
    return f"self.{name} {kind}{'.0' if is_whole else ''}"


def _rust_function(function: Function, indent: str, *, receiver: str) -> list[str]:
    given = ", ".join(
        [
            *([receiver] if receiver else []),
            *(
                f"_{snake(name).strip('_')}: {_RUST_GIVEN.get(kind, f'&{kind}')}"
                for name, kind in function.parameters
            ),
        ]
    )
    return [
        f"{indent}/// {remark(function.says)}",
        f"{indent}pub fn {snake(function.name)}({given}) -> {_RUST_RESULT[function.result]} {{",
        f'{indent}    todo!("{remark(function.says, 60) or function.name}")',
        f"{indent}}}",
        "",
    ]


def write_go(spec: Spec) -> Written:
    """Write the Go files of a spec."""
    functions = _default(spec)
    stem = snake(functions[0].name if functions else spec.entities[0].name).strip("_")
    needs = [f"{indent}" for indent in _go_imports(spec)]
    lines = ["package main", "", *needs, *todo_lines(spec, "//")]
    for one in spec.entities:
        lines += _go_struct(one)
    for function in functions:
        given = ", ".join(
            f"{camel(name)} {_GO_FUNCTION.get(kind, kind)}" for name, kind in function.parameters
        )
        lines += [
            f"// {pascal(function.name)}: {remark(function.says)}",
            f"func {pascal(function.name)}({given}) {_GO_FUNCTION[function.result]} {{",
            f'\tpanic("TODO: {pascal(function.name)}")',
            "}",
            "",
        ]
    lines += [
        "func main() {",
        "\t// TODO: read the input and call the functions above.",
        f'\tprintln("{stem}: nothing is called yet")',
        "}",
    ]
    test = [
        "package main",
        "",
        'import "testing"',
        "",
        "func TestNormalCase(t *testing.T) {",
        '\tt.Skip("TODO: compare with a value worked out by hand")',
        "}",
    ]
    files = [file(f"{stem}.go", "go", lines), file(f"{stem}_test.go", "go", test)]
    return Written(
        files if spec.wants_tests else files[:1],
        "Run `go mod init example`, then `go run .` and `go test ./...`.",
    )


def _go_imports(spec: Spec) -> list[str]:
    fields = [field for one in spec.entities for field in one.fields]
    names = []
    if any(checks(field) for field in fields):
        names.append("errors")
    if any("email" in field.name and field.type == "str" for field in fields):
        names.append("strings")
    if any(field.type == "date" for field in fields):
        names.append("time")
    return ["import (", *(f'\t"{name}"' for name in names), ")", ""] if names else []


def _go_struct(entity: Entity) -> list[str]:
    names = distinct(pascal(field.name) for field in entity.fields)
    lines = [
        f"// {entity.name} is one {snake(entity.name).replace('_', ' ')}.",
        f"type {entity.name} struct {{",
    ]
    lines += [
        f"\t{name} {_GO[field.type]}" for name, field in zip(names, entity.fields, strict=True)
    ]
    lines += ["}", ""]
    if any(checks(field) for field in entity.fields):
        lines += [
            "// Validate says which field is wrong and why.",
            f"func (r {entity.name}) Validate() error {{",
        ]
        for name, field in zip(names, entity.fields, strict=True):
            for kind, message in checks(field):
                wrong = {
                    "empty": f'r.{name} == ""',
                    "email": f'!strings.Contains(r.{name}, "@")',
                }.get(kind)
                wrong = wrong or (
                    f"len([]rune(r.{name})) > {kind.split()[1]}"
                    if kind.startswith("longer")
                    else f"r.{name} {kind}"
                )
                lines += [
                    f"\tif {wrong} {{",
                    f'\t\treturn errors.New("{field.name}: {message}")',
                    "\t}",
                ]
        lines += ["\treturn nil", "}", ""]
    for method in entity.methods:
        given = ", ".join(
            f"{camel(name)} {_GO_FUNCTION.get(kind, kind)}" for name, kind in method.parameters
        )
        lines += [
            f"// {pascal(method.name)}: {remark(method.says)}",
            (
                f"func (r *{entity.name}) {pascal(method.name)}({given}) "
                f"{_GO_FUNCTION[method.result]} {{"
            ),
            f'\tpanic("TODO: {entity.name}.{pascal(method.name)}")',
            "}",
            "",
        ]
    return lines


def write_sql(spec: Spec) -> Written:
    """Write a schema and queries to fill in."""
    lines = [f"-- {remark(spec.subject)}", *todo_lines(spec, "--")]
    queries: list[str] = []
    for one in spec.entities:
        table = plural(snake(one.name).rstrip("_"))
        columns = ["    id INTEGER PRIMARY KEY"]
        names = distinct(snake(field.name).rstrip("_") for field in one.fields)
        for name, field in zip(names, one.fields, strict=True):
            if name != "id":
                columns.append(f'    "{name}" {_SQL[field.type]} NOT NULL{_sql_check(name, field)}')
        lines += [] if one.fields else [f"-- TODO: the columns of {table}."]
        lines += [f"CREATE TABLE {table} (", ",\n".join(columns), ");", ""]
        chosen = ", ".join(f'"{name}"' for name in names) or "id"
        queries += [
            f"-- List {table}, a page at a time.",
            f"SELECT {chosen} FROM {table} ORDER BY id LIMIT 100 OFFSET 0;",  # noqa: S608 - shown
            "",
            f"-- TODO: the queries on {table} that the task asks for.",
            "",
        ]
    for function in spec.functions if spec.functions or spec.entities else _default(spec):
        queries += [
            f"-- TODO: {remark(function.says)}",
            "-- Name the columns, join on keys, and sort so that the result is always the same.",
            f"SELECT 'TODO: {function.name}' AS todo;",
            "",
        ]
    files = [file("schema.sql", "sql", lines)] if spec.entities else []
    files += (
        [file("queries.sql", "sql", queries if spec.entities else [*lines, *queries])]
        if queries
        else []
    )
    order = " and then ".join(f"`sqlite3 app.db < {one.path}`" for one in files)
    return Written(files, f"Run {order}; the types are SQLite's, change them for another database.")


def _sql_check(name: str, field: Field) -> str:
    tests = []
    for kind, _ in checks(field):
        column = f'"{name}"'
        if kind == "empty":
            tests.append(f"length(trim({column})) > 0")
        elif kind == "email":
            tests.append(f"{column} LIKE '%_@_%'")
        elif kind.startswith("longer"):
            tests.append(f"length({column}) <= {kind.split()[1]}")
        else:
            tests.append(f"{column} {'>=' if kind[0] == '<' else '<='} {kind[2:]}")
    if field.type == "bool":
        tests.append(f'"{name}" IN (0, 1)')
    unique = " UNIQUE" if "email" in name else ""
    return f"{unique} CHECK ({' AND '.join(tests)})" if tests else unique
