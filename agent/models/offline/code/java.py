"""Java files for a spec: records that validate, methods to fill in."""

from agent.models.offline.code.lines import Written, checks, fallback, file, todo_lines
from agent.models.offline.code.naming import camel, distinct, pascal, remark, snake
from agent.models.offline.code.phrases import Function
from agent.models.offline.code.spec import Entity, Spec
from graphs.code import FileDraft

_JAVA = {
    "int": "int",
    "float": "double",
    "bool": "boolean",
    "date": "LocalDate",
    "str": "String",
    "list": "List<String>",
    "map": "Map<String, String>",
    "": "Object",
}


def write_java(spec: Spec) -> Written:
    """Write the Java files of a spec."""
    files = [_java_class(one) if one.methods else _java_record(one) for one in spec.entities]
    if spec.is_storing:
        files += [_java_store(one) for one in spec.entities if not one.methods]
    if spec.functions or not files:
        files.append(_java_functions(spec))
    return Written(
        files,
        f"Compile with `javac *.java`; start with {files[0].path} and add JUnit tests beside it.",
    )


_JAVA_IMPORTS = [
    "import java.time.LocalDate;",
    "import java.util.List;",
    "import java.util.Map;",
    "",
]


def _java_record(entity: Entity) -> FileDraft:
    names = _java_names(entity) or ["id"]
    kinds = [_JAVA[field.type] for field in entity.fields] or ["int"]
    given = ", ".join(f"{kind} {name}" for kind, name in zip(kinds, names, strict=True))
    lines = [
        *_JAVA_IMPORTS,
        (
            f"/** One {snake(entity.name).replace('_', ' ')}; a wrong value is refused when it "
            "is made. */"
        ),
        f"public record {entity.name}({given}) {{",
        f"    public {entity.name} {{",
    ]
    return file(f"{entity.name}.java", "java", [*lines, *_java_checks(entity), "    }", "}"])


def _java_checks(entity: Entity) -> list[str]:
    lines: list[str] = []
    for name, field in zip(_java_names(entity), entity.fields, strict=True):
        for kind, message in checks(field):
            wrong = {
                "empty": f"{name} == null || {name}.isBlank()",
                "email": f'!{name}.contains("@")',
            }.get(kind)
            wrong = wrong or (
                f"{name}.length() > {kind.split()[1]}"
                if kind.startswith("longer")
                else f"{name} {kind}"
            )
            lines += [
                f"        if ({wrong}) {{",
                f'            throw new IllegalArgumentException("{name}: {message}");',
                "        }",
            ]
    return lines


def _java_names(entity: Entity) -> list[str]:
    return distinct(camel(field.name) for field in entity.fields)


def _java_store(entity: Entity) -> FileDraft:
    name = entity.name
    methods = (
        f"{name} create({name} record)",
        f"{name} get(int id)",
        f"List<{name}> listAll()",
        f"{name} update(int id, {name} change)",
        "void delete(int id)",
    )
    lines = [
        "import java.util.List;",
        "",
        f"/** Keeps records of {name}. Where they are kept is its own business. */",
        f"public class {name}Store {{",
    ]
    for index, method in enumerate(methods):
        lines += [""] if index else []
        lines += [
            f"    public {method} {{",
            "        // TODO: fill in; throw NoSuchElementException where there is none.",
            f'        throw new UnsupportedOperationException("TODO: {remark(method, 60)}");',
            "    }",
        ]
    return file(f"{name}Store.java", "java", [*lines, "}"])


def _java_class(entity: Entity) -> FileDraft:
    lines = [
        *_JAVA_IMPORTS,
        f"/** {entity.name}, to be filled in. */",
        f"public class {entity.name} {{",
    ]
    typed = [
        f"{_JAVA[field.type]} {name}"
        for name, field in zip(_java_names(entity), entity.fields, strict=True)
    ]
    if typed:
        lines += [
            *(f"    private {one};" for one in typed),
            "",
            f"    public {entity.name}({', '.join(typed)}) {{",
            *_java_checks(entity),
            *(f"        this.{name} = {name};" for name in _java_names(entity)),
            "    }",
            "",
        ]
    return file(
        f"{entity.name}.java", "java", [*lines, *_java_methods(entity.methods, static=""), "}"]
    )


def _java_functions(spec: Spec) -> FileDraft:
    functions = fallback(spec)
    name = pascal(functions[0].name, "Solution")
    lines = [
        *_JAVA_IMPORTS,
        *todo_lines(spec, "//"),
        f"public final class {name} {{",
        f"    private {name}() {{}}",
        "",
    ]
    lines += [
        *_java_methods(functions, static="static "),
        "",
        "    public static void main(String[] arguments) {",
        "        // TODO: read the input and call the methods above.",
        f'        System.out.println("TODO: {name}");',
        "    }",
        "}",
    ]
    return file(f"{name}.java", "java", lines)


def _java_methods(methods: tuple[Function, ...], *, static: str) -> list[str]:
    lines: list[str] = []
    for index, method in enumerate(methods):
        given = ", ".join(
            f"{_JAVA.get(kind, kind)} {camel(one)}" for one, kind in method.parameters
        )
        lines += [""] if index else []
        lines += [
            f"    /** {remark(method.says)} */",
            f"    public {static}{_JAVA[method.result]} {camel(method.name)}({given}) {{",
            f"        // TODO: {remark(method.says, 70) or 'fill in'}.",
            f'        throw new UnsupportedOperationException("TODO: {camel(method.name)}");',
            "    }",
        ]
    return lines
