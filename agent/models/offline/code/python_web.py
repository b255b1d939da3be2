"""The web layer in Python: FastAPI or Flask routes over the operations."""

import re
from collections.abc import Sequence

from agent.models.offline.code.naming import distinct, plural, snake
from agent.models.offline.code.spec import Entity, Spec

_STATUS = {"POST": 201, "DELETE": 204}


def web_lines(spec: Spec, entities: Sequence[Entity]) -> list[str]:
    """Write `api.py` for a spec."""
    if spec.technology.framework == "flask":
        return _flask(spec)
    lines = [
        '"""The HTTP interface: parse, call the operations, answer. It knows no storage."""',
        "",
    ]
    lines += ["from typing import NoReturn", "", "from fastapi import FastAPI, HTTPException"]
    lines += [""] if entities else []
    for one in entities:
        lines.append(f"from models import {one.name}, {one.name}Create, {one.name}Update")
    for one in entities:
        clash = f"NotFoundError as {one.name}NotFound"
        lines.append(f"from {snake(one.name)}_store import {clash}, {one.name}Store")
    lines += ["", "app = FastAPI()"]
    lines += [f"{plural(snake(one.name))} = {one.name}Store()" for one in entities]
    lines += [
        "",
        "",
        "def not_found(error: LookupError) -> NoReturn:",
        '    """Answer 404 with the error\'s own words."""',
        "    raise HTTPException(404, str(error)) from error",
    ]
    for one in entities:
        lines += _crud(one)
    return [*lines, *_given(spec, [plural(snake(one.name)) for one in entities])]


def _crud(entity: Entity) -> list[str]:
    name, one, many = entity.name, snake(entity.name), plural(snake(entity.name))
    path = many.replace("_", "-")
    guarded = (
        (
            "get",
            f"/{path}/{{key}}",
            "200",
            f"get_{one}(key: int) -> {name}",
            f"return {many}.get(key)",
            f"Return one {one}.",
        ),
        (
            "put",
            f"/{path}/{{key}}",
            "200",
            f"update_{one}(key: int, change: {name}Update) -> {name}",
            f"return {many}.update(key, change)",
            f"Change one {one}.",
        ),
        (
            "delete",
            f"/{path}/{{key}}",
            "204",
            f"delete_{one}(key: int) -> None",
            f"{many}.delete(key)",
            f"Delete one {one}.",
        ),
    )
    lines = [
        "",
        "",
        f'@app.post("/{path}", status_code=201)',
        f"def create_{one}(new: {name}Create) -> {name}:",
        f'    """Create a {one}."""',
        f"    return {many}.create(new)",
        "",
        "",
        f'@app.get("/{path}")',
        f"def list_{many}(limit: int = 100, offset: int = 0) -> list[{name}]:",
        f'    """Return a page of {many}."""',
        f"    return {many}.list_all(limit, offset)",
    ]
    for method, route, status, signature, call, says in guarded:
        lines += [
            "",
            "",
            f'@app.{method}("{route}", status_code={status})',
            f"def {signature}:",
            f'    """{says}"""',
            "    try:",
            f"        {call}",
            f"    except {name}NotFound as error:",
            "        not_found(error)",
        ]
    return lines


def _given(spec: Spec, covered: Sequence[str]) -> list[str]:
    """Write the routes that a request names and that no entity covers."""
    routes = [
        (method, path)
        for method, path in spec.routes
        if path.strip("/").partition("/")[0].replace("-", "_") not in covered
    ]
    names = distinct(f"{method.lower()}_{snake(path, 'root')}" for method, path in routes)
    lines: list[str] = []
    for (method, path), name in zip(routes, names, strict=True):
        safe, keys = _path(path)
        given = ", ".join(f"{key}: str" for key in keys)
        lines += [
            "",
            "",
            f'@app.{method.lower()}("{safe}", status_code={_STATUS.get(method, 200)})',
            f"def {name}({given}) -> dict[str, object]:",
            f'    """Answer {method} {safe}."""',
            "    # TODO: fill in, and declare the answer's model.",
            f'    raise HTTPException(501, "{method} {safe} is not written yet")',
        ]
    return lines


def _path(path: str) -> tuple[str, list[str]]:
    """Return a path with safe parameter names, and those names."""
    names = [snake(found) for found in re.findall(r"[{<:](?:\w+:)?(\w+)[}>]?", path)]
    names = distinct(names)
    parts = iter(names)
    safe = re.sub(r"[{<](?:\w+:)?\w+[}>]|:\w+", lambda _: f"{{{next(parts)}}}", path)
    is_clean = re.fullmatch(r"/[\w/{}.-]*", safe) and safe.count("{") == safe.count("}") == len(
        names
    )
    return (safe, names) if is_clean else (f"/{snake(path, 'root')}", [])


def _flask(spec: Spec) -> list[str]:
    lines = [
        '"""The HTTP interface."""',
        "",
        "from flask import Flask, abort",
        "",
        "app = Flask(__name__)",
    ]
    names = distinct(f"{method.lower()}_{snake(path, 'root')}" for method, path in spec.routes)
    for (method, path), name in zip(spec.routes, names, strict=True):
        safe, keys = _path(path)
        shown = safe.replace("{", "<").replace("}", ">")
        given = ", ".join(f"{key}: str" for key in keys)
        lines += [
            "",
            "",
            f'@app.{method.lower()}("{shown}")',
            f"def {name}({given}) -> dict[str, object]:",
            f'    """Answer {method} {shown}."""',
            "    # TODO: fill in.",
            f'    abort(501, "{method} {shown} is not written yet")',
        ]
    return lines
