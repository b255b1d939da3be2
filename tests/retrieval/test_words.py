"""Words, stems and runs of characters out of text and code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.search.signals import terms_of
from retrieval.search.words import content_words, defined_names, grams, split_words, stems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snake_case_name", ["snake", "case", "name"]),
        ("camelCaseName", ["camel", "case", "name"]),
        ("HTTPServer2Go", ["http", "server2", "go"]),
        ("parse the JSON-file!", ["parse", "the", "json", "file"]),
        ("größe_der_Datei", ["größe", "der", "datei"]),
        ("", []),
    ],
)
def test_identifiers_are_split(text: str, words: list[str]) -> None:
    """A name in code is searched by the words it is made of."""
    assert split_words(text) == words


def test_common_words_are_left_out_of_questions_alone() -> None:
    """`write a function` says nothing in a question, but stands for something in a text."""
    question = "write a Python function that reverses the string"
    assert content_words(question, is_query=True) == ["reverses", "string"]
    assert "function" in content_words(question)


def test_question_of_common_words_keeps_them() -> None:
    """Otherwise nothing would be left to search for."""
    assert content_words("write a program", is_query=True) == ["write", "program"]


def test_abbreviations_and_signs_are_spelled_out() -> None:
    """A question in words finds code that has none of them."""
    assert "maximum" in content_words("max of a list")
    code = "def f(s):\n    return s[::-1]"
    assert "reverse" in content_words(code)
    assert "reverse" not in content_words("see [::-1] in the book"), "prose is no code"


def test_stems_are_one_for_forms_of_a_word() -> None:
    """Sorting, sorted and sorts are one."""
    assert len(set(stems(["sorting", "sorted", "sorts"]))) == 1


def test_grams_run_across_words() -> None:
    """So that a phrase is more than its words."""
    assert grams("in order") == [" in ", "in o", "n or", " ord", "orde", "rder", "der "]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def read_csv(path):\n    class Inner: pass", "read_csv Inner"),
        ("async def fetch(): ...", "fetch"),
        ("public static int maxOf(int[] a) {", "maxOf"),
        ("fn main() {}", "main"),
        ("No code here.", ""),
    ],
)
def test_names_that_code_defines(code: str, names: str) -> None:
    """They are the title of a piece of code."""
    assert defined_names(code) == names


def test_title_counts_three_times_beside_the_text() -> None:
    """What code defines is what it is called; other texts go by their title."""
    assert terms_of("Find a short path.", "Dijkstra").stems.count("dijkstra") == 3
    code = terms_of("def dijkstra(graph):\n    return graph", "Lab 3")
    assert code.stems.count("dijkstra") == 4
    assert "lab" not in code.stems


@given(st.text(max_size=300))
def test_any_text_is_broken_up(text: str) -> None:
    """Nothing that a student types breaks it, and words come out in lower case."""
    words = content_words(text, is_query=True)
    assert all(word == word.lower() for word in split_words(text))
    assert len(stems(words)) == len(words)
    assert all(len(gram) == 4 for gram in grams(text))
