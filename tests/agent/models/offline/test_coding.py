"""Code skeletons by rules."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AnyMessage

from agent.models.offline.code.files import draft_code
from agent.models.offline.code.naming import camel, pascal, plural, remark, singular, snake
from agent.models.offline.code.phrases import function_of, named_functions
from agent.models.offline.code.spec import read_spec
from agent.models.offline.reading.blocks import Asked, read_prompt
from graphs.code import CodeDraft, find_faults

Prompt = Callable[..., list[AnyMessage]]
STUDENT = (
    "Generate a FastAPI model for Student with CRUD operations\n"
    "- Student should have: id, name, email, age, grade, major\n- Use SQLAlchemy"
)
REQUESTS = [
    STUDENT,
    "a function that reverses a string",
    "Write a binary search tree",
    "A record has `number` (letter S and six digits), `born_at`, is_active, tags and `year` (1-5). "
    "Provide `POST /students`, `GET /students/{number}` and GET /class/<int:id>.",
    "Create a class called Account and a class Foo, and a function bar(x, items, graph)",
    "write a command line script that counts words in a file",
    "class Bank:\n    def deposit(self, amount): ...\n    def withdraw(self, amount): "
    "...\nfinish it",
    "do it",
    'Write */ """ evil \\u0041 `quotes` -- <!-- and ${this} for me',
]
LANGUAGES = [
    "Python",
    "JavaScript",
    "TypeScript",
    "Java",
    "C",
    "C++",
    "Rust",
    "Go",
    "SQL",
    "Haskell",
    "HTML",
]


def code(request: str, **more: str) -> CodeDraft:
    """Draft code and check it."""
    draft = draft_code(Asked(request=request, **more))  # type: ignore[arg-type]
    assert find_faults(draft) == []
    return draft


def text_of(draft: CodeDraft, path: str) -> str:
    """Return a file's content."""
    return next(file.content for file in draft.files if file.path == path)


def test_student_api_has_all_parts() -> None:
    """The specification's example comes out with models, tables, operations, routes and tests."""
    draft = code(STUDENT)
    assert [file.path for file in draft.files] == [
        "models.py",
        "database.py",
        "student_store.py",
        "api.py",
        "tests/test_student.py",
    ]
    models = text_of(draft, "models.py")
    for field in ("name: str", "email: str", "age: int", "grade: float", "major: str"):
        assert field in models
    assert 'raise NotImplementedError("StudentStore.create")' in text_of(draft, "student_store.py")
    assert '@app.put("/students/{key}"' in text_of(draft, "api.py")
    assert "__tablename__" in text_of(draft, "database.py")


def test_plain_model_validates_when_run(tmp_path: Path) -> None:
    """The dataclass and its tests run and pass as they are."""
    draft = code("Python class Item with name, price, count and email")
    for file in draft.files:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(file.content)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("request_text", REQUESTS)
def test_code_is_presentable_in_every_language(request_text: str, language: str) -> None:
    """Each request gives checked files in the language asked for, with honest notes."""
    draft = code(f"{request_text}\nWrite it in {language}.")
    assert "no language model was called" in draft.notes[0]
    assert any(language.lower().replace("c++", "cpp") == file.language for file in draft.files)
    assert "TODO" in "".join(file.content for file in draft.files)


@pytest.mark.parametrize("request_text", REQUESTS)
def test_other_compilers_accept_it(request_text: str, tmp_path: Path) -> None:
    """Where their tools are at hand, JavaScript and C are checked by them."""
    tools = {"JavaScript": ["node", "--check"], "C": ["gcc", "-std=c11", "-Wall", "-fsyntax-only"]}
    for language, command in tools.items():
        if not shutil.which(command[0]):
            continue
        for file in code(f"{request_text}\nWrite it in {language}.").files:
            path = tmp_path / file.path
            path.write_text(file.content)
        for path in tmp_path.iterdir():
            if path.suffix in {".mjs", ".c"}:
                done = subprocess.run(
                    [*command, path], cwd=tmp_path, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr
            if path.suffix != ".h":
                path.unlink()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["0", "a", "0 ", "the ", "ab", "step", "write a ", "is ", "in "])
def test_answer_comes_when_a_request_repeats_itself(piece: str) -> None:
    """No pattern tries every way to cut it up."""
    assert code(f"{piece * 300}zzz? in python").files


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=300),
    st.sampled_from(["", "python", "flask GET /a/{b}", "class X with a, b and c"]),
)
def test_any_request_gives_valid_python(text: str, more: str) -> None:
    """No text can break the files."""
    draft = code(f"{text}\n{more} in python")
    for file in draft.files:
        if file.language == "python":
            ast.parse(file.content)


def test_past_solution_is_pointed_at_not_pasted(code_prompt: Prompt, solved_entry: str) -> None:
    """The notes say what to look at; the answer is not the past one."""
    draft = draft_code(
        read_prompt(code_prompt("Write a login check in Python for zebra records", solved_entry))
    )
    note = next(note for note in draft.notes if "Zebra records API" in note)
    assert note.startswith("[1] Zebra records API: look at `require`")
    assert "“Keep the check in one dependency, so that no route can forget it.”" in note
    assert "jwt.decode" not in "".join(file.content for file in draft.files)


def test_past_solution_far_away_is_not_mentioned(code_prompt: Prompt, solved_entry: str) -> None:
    """Nothing near means nothing is recommended."""
    draft = draft_code(read_prompt(code_prompt("Write quicksort in Python", solved_entry)))
    assert "No past solution that was found is near enough to learn from here." in draft.notes


def test_language_comes_from_the_past_where_none_is_named(
    code_prompt: Prompt, entry: Callable[..., str]
) -> None:
    """The notes say why it is that language."""
    lent = draft_code(read_prompt(code_prompt("write quicksort", entry(language="rust"))))
    assert lent.files[0].language == "rust"
    assert any("past assignment [1]" in note for note in lent.notes)
    assert any("so this is Python" in note for note in code("write quicksort").notes)


def test_assignment_fills_in_what_the_request_leaves_open(code_prompt: Prompt) -> None:
    """`Write the whole thing` means the assignment's requirements, fields and language."""
    assignment = "Zoo\n\nIn Kotlin.\n- [ ] User can add animal\n- [ ] User can feed animal"
    draft = draft_code(read_prompt(code_prompt("write the whole thing", assignment=assignment)))
    assert draft.files[0].language == "kotlin"
    assert "fun addAnimal()" in draft.files[0].content
    fields = "Zoo\n\nAn Animal has a name, an age and a weight. Use Python."
    draft = draft_code(read_prompt(code_prompt("Write the Animal model", assignment=fields)))
    assert "weight: float" in text_of(draft, "models.py")


def test_request_decides_how_much_is_written(code_prompt: Prompt) -> None:
    """A class and a function asked for within a large assignment come without its web layer."""
    assignment = (
        "Zoo API\n\nBuild a REST API with FastAPI and SQLAlchemy.\n"
        "1. Store animals\n2. List animals"
    )
    asked = (
        "Write a Python class Booking with the fields room and seats, "
        "and a function overlaps(first, second)"
    )
    draft = draft_code(read_prompt(code_prompt(asked, assignment=assignment)))
    assert [file.path for file in draft.files] == [
        "models.py",
        "overlaps.py",
        "tests/test_booking.py",
        "tests/test_overlaps.py",
    ]
    assert "def overlaps(first: Booking, second: Booking) -> bool:" in text_of(draft, "overlaps.py")
    assert "List animals" not in text_of(draft, "overlaps.py")


def test_framework_without_rules_is_named_as_left_open() -> None:
    """What the writer cannot do, it says."""
    notes = code("give me boilerplate for a vue component with a counter").notes
    assert any("What is special to Vue" in note for note in notes)


def test_tests_are_left_out_where_not_wanted() -> None:
    """`No tests` is heard."""
    assert len(code("Write quicksort in Python, no tests").files) == 1


@pytest.mark.parametrize(
    ("phrase", "name", "result"),
    [
        ("Write a function that checks if a string is a palindrome", "is_palindrome", "bool"),
        ("a function which checks whether a list contains a cycle", "has_cycle", "bool"),
        ("function that returns the largest number in a list", "largest_number", ""),
        ("implement merge sort in rust please", "merge_sort", "list"),
        ("write a program to count vowels of a word", "count_vowels", "int"),
        ("a script that downloads all images on a page", "download_images", ""),
        ("a function that computes the average of a list", "compute_average", "float"),
        ("write the whole thing for me", None, None),
        ("", None, None),
    ],
)
def test_phrase_becomes_a_function(phrase: str, name: str | None, result: str | None) -> None:
    """What a function is to do gives its name and its kind of result."""
    found = function_of(phrase)
    assert (found and found.name) == name
    assert (found and found.result) == result


def test_named_functions_keep_their_parameters() -> None:
    """Calls, `called` and camel case name functions; loops do not."""
    found = {
        one.name: one.parameters
        for one in named_functions("plan_route(graph, src) if (x) a function called bar, isPrime")
    }
    assert found["plan_route"] == (("graph", "map"), ("src", "str"))
    assert {"bar", "is_prime"} <= set(found)
    assert "if_" not in found


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            "Student should have: id, name and grade",
            [("id", "int"), ("name", "str"), ("grade", "float")],
        ),
        ("class Student with name and grade and a toString", [("name", "str"), ("grade", "float")]),
        (
            "a product class which has a price, id, and quantity on hand",
            [("price", "float"), ("id", "int"), ("quantity_on_hand", "int")],
        ),
        (
            "Item has `code` (6 letters), stars (1-5), price: float and due_date",
            [("code", "str"), ("stars", "int"), ("price", "float"), ("due_date", "date")],
        ),
        (
            "Item has name, price and we all know what it is worth, size",
            [("name", "str"), ("price", "float")],
        ),
        ("Thing with code (1-5), toString and mark", [("code", "int"), ("mark", "str")]),
        (
            "Order with tags, is_paid, tags",
            [("tags", "list"), ("is_paid", "bool"), ("tags2", "list")],
        ),
    ],
)
def test_fields_get_types_from_names_and_notes(text: str, fields: list[tuple[str, str]]) -> None:
    """A field's type is what its name or the note beside it says."""
    entity = read_spec(Asked(request=text)).entities[0]
    assert [(field.name, field.type) for field in entity.fields] == fields


def test_bounds_come_from_notes() -> None:
    """Ranges bound numbers and the length of texts."""
    entity = read_spec(
        Asked(request="Item has `name` (1-80 characters) and `year` (1-5)")
    ).entities[0]
    assert [(field.least, field.most) for field in entity.fields] == [(1.0, 80.0), (1.0, 5.0)]


def test_record_is_named_by_its_route() -> None:
    """`A record` with `/students` is a student."""
    spec = read_spec(Asked(request="A record has name and year. GET /students"))
    assert spec.entities[0].name == "Student"
    assert spec.is_storing


def test_types_without_rules_get_no_checks() -> None:
    """A record of dates, lists and flags alone has nothing to check."""
    for language in ("Python", "JavaScript", "Rust", "Go", "SQL", "C"):
        draft = code(f"class Entry with tags and created_at in {language}")
        assert "must be at" not in "".join(file.content for file in draft.files)
        assert code(f"class Entry with tags, is_paid and created_at in {language}, no tests")


def test_bounds_reach_every_language() -> None:
    """Upper bounds of numbers and texts are checked wherever there is a check."""
    request = "Item has `name` (1-80 characters), `rate: float` (0.5-5) and `level` (3-9) in "
    for language in ("Python", "JavaScript", "Java", "C", "C++", "Rust", "Go", "SQL"):
        whole = "".join(file.content for file in code(f"{request}{language}").files)
        assert "80" in whole
        assert "0.5" in whole
        assert "9" in whole
    assert "-1" in "".join(file.content for file in code("class Box1 with count in Python").files)
    low = code("Entry has `x` (-3 to 9) and delta: int (letters) in Python")
    assert "10" not in text_of(low, "models.py")


def test_crud_of_a_bare_noun_is_a_record() -> None:
    """`CRUD for books` names the record, and FastAPI routes beside it are kept."""
    draft = code("CRUD endpoints for books in FastAPI. Also GET /health and GET /files/<path:name>")
    api = text_of(draft, "api.py")
    assert "class BookCreate" in text_of(draft, "models.py")
    assert '@app.get("/health"' in api
    assert '@app.get("/files/{name}"' in api


def test_class_named_twice_is_written_once() -> None:
    """The longer list of fields wins; a call in capitals is no function."""
    spec = read_spec(Asked(request="Item has name. Item has name, price and size. Use SUM(x)."))
    assert len(spec.entities[0].fields) == 3
    assert spec.functions == ()
    assert code("CRUD for it in Python")
    assert code("").files[0].path == "solve.py"
    assert read_spec(Asked(request="class Project")).entities == ()


def test_function_of_a_program_that_does_something() -> None:
    """A program inside an order is looked through."""
    assert function_of("write a small program that prints primes").name == "print_primes"  # type: ignore[union-attr]


def test_c_library_names_are_left_alone() -> None:
    """A function called like one of the library's gets a name of its own."""
    assert "remove_(" in code("a function remove(items) in C").files[0].content


def test_names_are_safe_in_any_language() -> None:
    """Keywords, digits, accents and other scripts give names that compile."""
    assert snake("Größe des Eis") == "groe_des_eis"
    assert snake("日本") == "value"
    assert pascal("2 parts") == "N2Parts"
    assert camel("class") == "class_"
    assert (singular("ladies"), plural("box"), plural("lady")) == ("lady", "boxes", "ladies")
    assert (singular("people"), singular("boxes"), plural("day")) == ("person", "box", "days")
    assert remark('a "b" */ c', 80) == "a b / c"
    assert len(remark("word " * 50, 40)) <= 40


@pytest.mark.parametrize(
    ("request_text", "said"),
    [
        ("def fib(n): complete this", "def fib(n): complete this"),
        ("Fix foo() please", "Fix foo() please"),
        ("Please, and call bar() now", "call bar() now"),
    ],
)
def test_what_a_function_is_to_do_is_said_from_its_first_letter(
    request_text: str, said: str
) -> None:
    """Nothing is cut off where nothing precedes."""
    assert named_functions(request_text)[0].says == said
