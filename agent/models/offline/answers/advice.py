"""Rules of thumb that hold in any assignment: for questions that no passage answers.

They are marked as general rules wherever they are used, and never carry a number.
"""

from collections.abc import Iterable

from agent.models.offline.reading.words import stem

_RULES: tuple[tuple[str, str], ...] = (
    (
        "authentication login jwt password auth session oauth",
        "Store only salted password hashes, keep keys out of the code, and test expired and "
        "missing credentials.",
    ),
    (
        "injection xss sanitize sanitise",
        "Treat every input as hostile: validate it at the edge and pass it to SQL or a shell "
        "only as a parameter.",
    ),
    (
        "database db sqlite sql sqlalchemy postgres schema transaction",
        "Let the database keep the rules (NOT NULL, UNIQUE, foreign keys) and use one "
        "transaction for one change.",
    ),
    (
        "async asyncio asynchronous concurrency concurrent thread parallel race",
        "Give every waiting call a time limit and keep what is shared between tasks as small "
        "as possible.",
    ),
    (
        "performance slow speed efficient optimise optimize",
        "Measure with the largest input before changing anything, and change one thing at a time.",
    ),
    (
        "test testing pytest unittest junit jest",
        "Test the empty, the smallest and the wrong case first; one behaviour a test, named "
        "after it.",
    ),
    (
        "error exception traceback crash segfault",
        "Catch the error you expect where you can act on it, and let the others through with "
        "their message.",
    ),
    (
        "parse parser parsing tokenise",
        "Write down malformed samples first; they decide the design more than the good ones.",
    ),
    (
        "validate validation invalid",
        "Check input once, at the edge, and say which value is wrong and what would be right.",
    ),
    (
        "route endpoint api rest",
        "Decide on the status code of every outcome before writing the route.",
    ),
    (
        "plot chart matplotlib visualise visualize",
        "Label axes with units, and check a few plotted values by hand.",
    ),
    (
        "dataframe pandas",
        "Look at row counts before and after each step, and never change the raw data.",
    ),
    (
        "recursion recursive",
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
        "git commit",
        "Commit each finished step with a sentence that says why; small commits are easy to undo.",
    ),
)
_OTHER_INJECTION = stem("dependency")
"""A word beside which `injection` is no attack."""

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
    """Return the rules of thumb that fit the stems of a question; none where none fits."""
    asked = set(words)
    if _OTHER_INJECTION in asked:
        asked.discard(stem("injection"))
    return [rule for topics, rule in _RULES if asked.intersection(map(stem, topics.split()))][:most]
