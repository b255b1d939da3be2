"""Programming languages as requests name them, and what is written in each."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.models.offline.code.spec import read_spec
from agent.models.offline.reading.blocks import Asked
from agent.models.offline.reading.languages import find_technology, find_unwritten
from agent.models.offline.reading.outline import outline
from tests.agent.models.offline.test_coding import LANGUAGES, code, text_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Go http handler that returns JSON of the current time", "go"),
        ("R function for bootstrap confidence interval of the mean", "r"),
        ("Write a Go function", "go"),
        ("Go function that sorts", "go"),
        ("write a go function that sorts", "go"),
        ("write quicksort in go please", "go"),
        ("Write a program in c", "c"),
        ("write a c program", "c"),
        ("c function that reverses a string", "c"),
        ("implement quicksort in c please", "c"),
        ("write a script in r", "r"),
        ("an r script that plots a histogram", "r"),
        ("C# class Person", "csharp"),
        ("write a program in c++", "cpp"),
        ("write a program in c#", "csharp"),
        ("go through the list", ""),
        ("Go through the list", ""),
        ("Go to the server and function as its client", ""),
        ("Write a function that goes through the list", ""),
        ("Compute the R2 score", ""),
        ("the R2 score of a function", ""),
        ("a) sort b) search c) program it", ""),
        ("Write part c)", ""),
        ("Write a function that puts the sum of a and b in c", ""),
        ("Store the result in c.", ""),
        ("Objective-C function that sorts", ""),
        ("Write a program in vitamin c", ""),
    ],
)
def test_short_names_of_languages(text: str, language: str) -> None:
    """Go, R and C are read where they name a language, and only there."""
    assert find_technology(outline(text)).language == language


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("write hello world in COBOL", "COBOL"),
        ("F# function that sorts", "F#"),
        ("an Objective-C class", "Objective-C"),
        ("a fortran program", "Fortran"),
        ("a program in Pascal", "Pascal"),
        ("Write it in assembly, please", "Assembly"),
        ("Pascal's triangle", ""),
        ("Ada and Grace write a program from scratch", ""),
        ("do not use COBOL", ""),
        ("a class Racket with grip", ""),
        ("play an F# chord", ""),
        ("a colour scheme", ""),
    ],
)
def test_languages_that_nothing_is_known_of(text: str, name: str) -> None:
    """They are named as they are written; names of people and things are none."""
    assert find_unwritten(text) == name


def test_unwritten_language_is_named_in_the_notes() -> None:
    """COBOL was named; the note does not deny it."""
    draft = code("write hello world in COBOL")
    assert draft.files[0].language == "python"
    assert any(
        "COBOL is not a language" in note and "this is Python" in note for note in draft.notes
    )
    assert not any("No programming language" in note for note in draft.notes)
    assert any("F# is not" in note for note in code("F# function that sorts a list").notes)


@pytest.mark.parametrize(
    ("request_text", "name", "fields", "methods"),
    [
        ("Write a Java class Stack with push, pop and peek", "Stack", [], ["push", "pop", "peek"]),
        (
            "Python class BankAccount with deposit and withdraw methods",
            "BankAccount",
            [],
            ["deposit", "withdraw"],
        ),
        ("class Dog with bark() and name", "Dog", ["name"], ["bark"]),
        (
            "Java class LinkedList with methods add, remove and size",
            "LinkedList",
            [],
            ["add", "remove", "size"],
        ),
        ("class Account with balance, deposit and withdraw methods", "Account", ["balance"],
         ["deposit", "withdraw"]),
        ("class Ring with top and size methods", "Ring", [], ["top", "size"]),
        ("class Car with the fields make and year and the methods start and stop", "Car",
         ["make", "year"], ["start", "stop"]),
        ("class Car with methods start and stop and fields make, year", "Car",
         ["make", "year"], ["start", "stop"]),
        ("Implement a queue with enqueue and dequeue", "Queue", [], ["enqueue", "dequeue"]),
        ("a binary search tree with insert(key) and delete(key)", "BinarySearchTree", [],
         ["insert_", "delete_"]),
        ("class Visit with check_in, update time, name and a method total(items)", "Visit",
         ["check_in", "update_time", "name"], ["total"]),
        ("Product has name, order and rate", "Product", ["name", "order_", "rate"], []),
        ("class Stack", "Stack", [], []),
        ("interface Shape with area() and perimeter()", "Shape", [], ["area", "perimeter"]),
        (
            "an Inventory class with methods to add and list items",
            "Inventory",
            [],
            ["add", "list_items"],
        ),
        (
            "class Car with attributes make and year and a method drive",
            "Car",
            ["make", "year"],
            ["drive"],
        ),
        (
            "class Account with private fields owner and balance, and methods deposit",
            "Account",
            ["owner", "balance"],
            ["deposit"],
        ),
        (
            "Person with name (string), email (unique) and greet()",
            "Person",
            ["name", "email"],
            ["greet"],
        ),
        (
            "linked list in C with insert, erase and search functions",
            "LinkedList",
            [],
            ["insert_", "erase", "search"],
        ),
        ("Table users with id, name and email in SQL", "User", ["id", "name", "email"], []),
        ("Library with open, closed and a function total", "Library", ["open", "closed"], []),
        ("Implement a stack class Stack", "Stack", [], ["push", "pop", "peek", "is_empty"]),
        ("implement a linked list with name and age", "LinkedList", ["name", "age"],
         ["append", "prepend", "remove", "has_value"]),
    ],
)  # fmt: skip
def test_methods_are_told_from_fields(
    request_text: str, name: str, fields: list[str], methods: list[str]
) -> None:
    """Brackets, the word methods and verbs make methods; the student's own list wins."""
    spec = read_spec(Asked(request=request_text))
    (entity,) = spec.entities
    assert entity.name == name
    assert [one.name for one in entity.fields] == fields
    assert [one.name for one in entity.methods] == methods
    assert not {one.name for one in spec.functions} & set(methods)


@pytest.mark.parametrize("language", [*LANGUAGES, "Kotlin", "C#", "R", "bash"])
def test_class_with_fields_and_methods_in_every_language(language: str, tmp_path: Path) -> None:
    """Both are in one class, and the tools at hand accept it."""
    request = "class Account with owner, balance, deposit() and withdraw(amount) in "
    draft = code(f"{request}{language}")
    whole = "".join(file.content for file in draft.files)
    if language not in {"SQL", "HTML"}:
        for name in ("owner", "balance", "deposit", "withdraw"):
            assert name in whole.lower()
    tools = {".mjs": ["node", "--check"], ".c": ["gcc", "-fsyntax-only"], ".sh": ["bash", "-n"]}
    for file in draft.files:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(file.content)
    for path in tmp_path.iterdir():
        command = tools.get(path.suffix, [""])
        if shutil.which(command[0]):
            subprocess.run([*command, path], cwd=tmp_path, check=True)


def test_python_methods_are_part_of_the_dataclass() -> None:
    """One class, one file; the methods are to be filled in."""
    draft = code("Python class Dog with bark() and name")
    models = text_of(draft, "models.py")
    assert "    name: str" in models
    assert "bark: str" not in models
    assert 'raise NotImplementedError("Dog.bark")' in models
    assert [file.path for file in draft.files] == ["models.py", "tests/test_dog.py"]
    api = code("FastAPI class Dog with bark() and name, GET /dogs")
    assert 'raise NotImplementedError("Dog.bark")' in text_of(api, "models.py")


@pytest.mark.parametrize(
    "request_text",
    [
        "SQL schema for a library with books, members and loans",
        "SQL tables for books, members and loans",
        "SQL database with the tables members (id, name, email), books and loans",
    ],
)
def test_plural_nouns_of_a_schema_are_tables(request_text: str) -> None:
    """Each noun is a table; what stands in brackets behind it are its columns."""
    schema = text_of(code(request_text), "schema.sql")
    for table in ("books", "members", "loans"):
        assert f"CREATE TABLE {table} (" in schema
    assert schema.count("CREATE TABLE") == 3
    assert "TODO" in schema
    assert ('"email" TEXT' in schema) == ("email" in request_text)


@pytest.mark.parametrize(
    ("request_text", "path", "names"),
    [
        ("React component for a login form", "LoginForm.jsx", ["username", "password"]),
        ("React sign-up form in TypeScript", "SignUpForm.tsx", ["username", "email", "password"]),
        ("A React form with street, city and email", "Form.jsx", ["street", "city", "email"]),
        ("boilerplate for a react component with a counter", "Counter.jsx", []),
        ("React component", "View.jsx", []),
    ],
)
def test_react_component_is_jsx(request_text: str, path: str, names: list[str]) -> None:
    """A function component with the inputs of its form."""
    draft = code(request_text)
    (component,) = draft.files
    assert component.path == path
    assert f"export default function {path.partition('.')[0]}()" in component.content
    for name in names:
        assert f'name="{name}"' in component.content
    assert component.content.count("<input") == len(names)
    assert "TODO" in component.content
    assert any("React" in note and "JSX" in note for note in draft.notes)


def test_bash_script_is_a_script(tmp_path: Path) -> None:
    """It stops at errors, says how it is used, and keeps the suffix in its phrase."""
    (script,) = code("bash script to rename all .txt files").files
    assert script.path == "rename_txt_files.sh"
    assert script.content.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.content
    assert "usage:" in script.content
    assert "TODO: rename all .txt files" in script.content
    path = tmp_path / script.path
    path.write_text(script.content)
    bash = shutil.which("bash")
    if bash:
        done = subprocess.run([bash, path], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "usage:" in done.stderr


@pytest.mark.parametrize(
    ("request_text", "line"),
    [
        ("Kotlin data class for a user", "data class User(val id: Int)"),
        ("Kotlin class Stack with push and pop", "class Stack {"),
        ("Kotlin function that reverses a string", "fun reverseString(text: String): String ="),
        ("Kotlin class Shop with open() and close()", "class Shop {"),
        ("C# class Shop with push() and pop()", "    public object Pop()"),
        ("C# class Person", "public class Person"),
        ("C# class Person with name and age", "    public int Age { get; set; }"),
        ("C# function that reverses a string", "    public static string ReverseString("),
        ("R function for bootstrap confidence interval of the mean",
         "bootstrap_confidence_interval <- function("),
        ("R class Person with name and age", "new_person <- function(name, age) {"),
    ],
)  # fmt: skip
def test_other_languages_get_real_stubs(request_text: str, line: str) -> None:
    """What is written compiles once it is filled in; the subject keeps its #."""
    (stub,) = code(request_text).files
    assert line in stub.content
    assert ("C# " in stub.content) == ("C# " in request_text)
    assert "TODO" in stub.content


@pytest.mark.parametrize("language", LANGUAGES)
def test_function_beside_a_class_takes_its_records(language: str) -> None:
    """`overlaps(first, second)` beside `Booking` compares bookings; models are named by entity."""
    draft = code(
        "Write a class Booking with the fields room, start, end and booked_by, and a function "
        f"overlaps(first, second) in {language}"
    )
    if language == "Python":
        models = text_of(draft, "models.py")
        assert models.startswith('"""Data models: Booking.')
        overlaps = text_of(draft, "overlaps.py")
        assert "def overlaps(first: Booking, second: Booking) -> bool:" in overlaps
        assert "from models import Booking" in overlaps
        assert "result = overlaps(booking, booking)" in text_of(draft, "tests/test_overlaps.py")
    if language == "TypeScript":
        assert 'import type { Booking } from "./booking' in text_of(draft, "overlaps.ts")
    if language in {"Java", "C", "C++", "Rust", "Go", "TypeScript"}:
        assert "Booking" in next(
            line
            for file in draft.files
            for line in file.content.splitlines()
            if "overlaps(" in line.lower() and "booking" in line.lower()
        )


def test_records_of_dates_are_given_to_functions() -> None:
    """A test's record is made of good values in every framework; a call without it stays bare."""
    request = "class Visit with the fields day: date and a function joins(first, second), stay(n)"
    for more in ("Python", "FastAPI"):
        tests = text_of(code(f"{request} {more}"), "tests/test_joins.py")
        assert "from datetime import date" in tests
        assert "day=date(2026, 1, 31)," in tests
        assert ("id=1" in tests) == (more == "FastAPI")
        assert tests.count("visit = Visit(") == 1
    assert "id=1" in text_of(
        code("Python class Visit and a function joins(first, second)"), "tests/test_joins.py"
    )


def test_plural_nouns_elsewhere_are_no_tables() -> None:
    """One noun, a noun for one, or a phrase makes no schema."""
    for request in ("SQL schema with books", "SQL schema with name and age", "SQL tables for it"):
        names = [one.name for one in read_spec(Asked(request=request)).entities]
        assert names != ["Book", "Member"]
        assert len(names) < 2
    assert [
        one.name
        for one in read_spec(Asked(request="Write a class for this. A model for cars.")).entities
    ] == ["Car"]
