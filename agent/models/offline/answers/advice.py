"""Rules of thumb that hold in any assignment: for questions that no passage answers.

They are marked as general rules wherever they are used, and never carry a number.
"""

from collections.abc import Iterable

from agent.models.offline.reading.words import related, stem

_RULES: tuple[tuple[str, str], ...] = (
    (
        "authentication",
        "Store only salted password hashes, keep keys out of the code, and test expired and "
        "missing credentials.",
    ),
    (
        "injection",
        "Treat every input as hostile: validate it at the edge and pass it to SQL or a shell "
        "only as a parameter.",
    ),
    (
        "database",
        "Let the database keep the rules (NOT NULL, UNIQUE, foreign keys) and use one "
        "transaction for one change.",
    ),
    (
        "async",
        "Give every waiting call a time limit and keep what is shared between tasks as small "
        "as possible.",
    ),
    (
        "performance",
        "Measure with the largest input before changing anything, and change one thing at a time.",
    ),
    (
        "test",
        "Test the empty, the smallest and the wrong case first; one behaviour a test, named "
        "after it.",
    ),
    (
        "error",
        "Catch the error you expect where you can act on it, and let the others through with "
        "their message.",
    ),
    (
        "parse",
        "Write down malformed samples first; they decide the design more than the good ones.",
    ),
    (
        "validate",
        "Check input once, at the edge, and say which value is wrong and what would be right.",
    ),
    ("route", "Decide on the status code of every outcome before writing the route."),
    ("plot", "Label axes with units, and check a few plotted values by hand."),
    ("dataframe", "Look at row counts before and after each step, and never change the raw data."),
    (
        "recursion",
        "Write the base case first, and say in one sentence why each call gets nearer to it.",
    ),
    ("class", "Give a class one reason to change, and make wrong states impossible to construct."),
    (
        "function",
        "Keep functions that compute apart from those that read or print, so that they can "
        "be tested.",
    ),
    (
        "loop",
        "Say what holds before and after each turn of the loop; off-by-one faults show there.",
    ),
    (
        "git",
        "Commit each finished step with a sentence that says why; small commits are easy to undo.",
    ),
)
_DEFAULT = (
    "Write one small test that fails without the change, then make it pass.",
    "Handle the empty and the wrong input before the normal case.",
)

STEPS = {
    "error": (
        "Read the last line of the message first, then the line of your own code it points to.",
        (
            "Make the smallest input that still fails, and print the values just before the "
            "failing line."
        ),
        "Search the past assignments for the name of the error alone.",
    ),
    "compare": (
        "Write down what you need to decide: speed, memory, clarity or safety.",
        "Try both on ten lines of your own data and compare what you see.",
        "Search the past assignments for each of the two names alone.",
    ),
    "how": (
        "Say in one sentence what goes in and what has to come out.",
        "Split that into steps that you can each test alone, and write the first one.",
        "Search the past assignments for the nouns of your question, without the verbs.",
    ),
    "what": (
        "Look for the term in the course material, and note the sentence that defines it.",
        "Make a three-line example that uses it, and change one thing at a time.",
        "Search the past assignments for the term alone.",
    ),
}


def general_rules(words: Iterable[str], most: int = 2) -> list[str]:
    """Return the rules of thumb that fit the words of a question, else two that always fit."""
    asked = set(words)
    fitting = [
        rule for topic, rule in _RULES if asked.intersection({stem(topic)} | related(stem(topic)))
    ]
    return (fitting or list(_DEFAULT))[:most]
