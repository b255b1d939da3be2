"""Gates: a pattern that is tried at few places finds what it finds when it is tried everywhere."""

import re
from string import ascii_letters

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.privacy.redaction import addresses, cues, keys, names, patterns
from agent.privacy.redaction.folding import fold
from agent.privacy.redaction.gates import holds
from agent.privacy.redaction.openings import Rule
from agent.privacy.redaction.prose import Layout

EXAMPLES = 40
"""Of each pattern; a machine under load is no failure."""
RULES = (*names._EVERYWHERE, *names._INTRODUCED, names._TYPED_SMALL, *names._SUGGESTED)
NUMBERS = (patterns._IBAN, patterns._CARD, patterns._SSN, patterns._IPV4, patterns._IPV6)
PHONES = (patterns._CUED_PHONE, patterns._INTERNATIONAL, patterns._NANP, patterns._TRUNK)
NAMES = (
    "Anna", "Omar al-Hassan", "al-Rashid", "O'Neil", "McAdam", "Ana de la Cruz", "Bo B. Lee",
    "Иван Сидоров", "James'", "Anna's", "xAnna", "camelCase",
)  # fmt: skip
GLUE = (" ", " ", " ", "\n", ", ", ". ", ": ", " and ", "\n# ", ' "', "-", " (", "? ", "=")


def places(rule: Rule, text: str) -> list[tuple[int, int]]:
    """Return where a rule finds names."""
    openings = names._FINDER.openings(text)
    return [match.span("name") for match in rule.matches(text, text.lower(), openings)]


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_name_is_found_when_its_pattern_matches(rule: Rule) -> None:
    """Whatever the pattern of a rule matches, the rule finds, and nothing else."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.from_regex(rule._pattern))
    def check(text: str) -> None:
        everywhere = [match.span("name") for match in rule._pattern.finditer(text)]
        assert everywhere
        assert places(rule, text) == everywhere

    check()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES)
            | st.sampled_from(sorted({*names._ROLE_LAST.split("|"), *names._WITH_LAST.split("|")}))
            | st.sampled_from(
                [
                    "said",
                    "name",
                    "is",
                    "my",
                    "I'm",
                    "by",
                    "if",
                    "Dr.",
                    "Thanks",
                    "under",
                    "sent",
                    "'s",
                    "code",
                    "who",
                ]
            ),
            st.sampled_from(GLUE),
        ),
        max_size=20,
    )
)
def test_names_are_the_same_when_cues_stand_in_a_row(pieces: list[tuple[str, str]]) -> None:
    """Overlapping cues do not make a rule begin elsewhere."""
    text = fold("".join(word + glue for word, glue in pieces)).text
    for rule in RULES:
        if rule is not names._TYPED_SMALL and "@" not in rule._pattern.pattern:
            everywhere = [match.span("name") for match in rule._pattern.finditer(text)]
            assert places(rule, text) == everywhere


@pytest.mark.parametrize("pattern", addresses._PATTERNS, ids=range(len(addresses._PATTERNS)))
def test_address_is_found_when_its_pattern_matches(pattern: re.Pattern[str]) -> None:
    """The words and numbers that a pattern waits for are in everything it matches."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.from_regex(pattern), st.sampled_from(("", "3 ", "x ", "I live at ")))
    def check(made: str, before: str) -> None:
        text = fold(before + made + " 7").text
        found = [match.span() for match in addresses._matches(text) if match.re is pattern]
        assert found == [match.span() for match in pattern.finditer(text)]

    check()


@pytest.mark.parametrize(
    ("pattern", "words"), [(row[0], row[2]) for row in cues._CUED], ids=range(len(cues._CUED))
)
def test_cue_is_looked_for_when_its_pattern_matches(
    pattern: re.Pattern[str], words: tuple[str, ...]
) -> None:
    """What a pattern waits for is in everything it matches."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.from_regex(pattern))
    def check(made: str) -> None:
        text = fold(made).text
        if pattern.search(text):
            assert holds(text.lower(), words)
            assert pattern not in cues._NEEDS or cues._NEEDS[pattern].search(text)

    check()


@pytest.mark.parametrize("pattern", [*NUMBERS, *PHONES], ids=range(9))
def test_number_is_looked_for_when_it_is_long_enough(pattern: re.Pattern[str]) -> None:
    """Every card and telephone number passes the gate of seven digits, an address its own."""
    gate = {
        patterns._IBAN: patterns._IBAN_START,
        patterns._IPV4: patterns._IPV4_MIDDLE,
        patterns._IPV6: patterns._IPV6_MIDDLE,
    }.get(pattern, patterns._SEVEN_DIGITS)

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.from_regex(pattern))
    def check(made: str) -> None:
        text = fold(made).text
        match = pattern.search(text)
        if match is None:
            return
        number = match["number"] if pattern is patterns._CUED_PHONE else match[0]
        digits = patterns._digits(number.split("x")[0].split("e")[0])
        if pattern not in PHONES or len(digits) in patterns._PHONE_DIGITS:
            assert gate.search(text)

    check()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.from_regex(keys._PREFIXED))
def test_key_is_looked_for_when_its_pattern_matches(text: str) -> None:
    """Every maker's prefix is among those that are looked for first."""
    assert holds(text, keys._PREFIXES)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ("api", "secret", "access", "Client", "_", " ", "-", "key", "Token", "password", "pwd")
        )
        | st.from_regex(keys._ASSIGNED, fullmatch=True, alphabet=ascii_letters + " _-=:\"'1")
        | st.from_regex(keys._ASSIGNED)
    )
)
def test_assignment_is_found_when_its_names_stand_in_a_row(pieces: list[str]) -> None:
    """It is tried at the words of its names, and finds what it finds everywhere."""
    text = "".join(pieces)
    everywhere = [match.span() for match in keys._ASSIGNED.finditer(text)]
    assert [match.span() for match in keys._assigned(text)] == everywhere


def test_named_street_is_found_when_the_text_has_no_number() -> None:
    """All other patterns wait for a number."""
    text = "I moved from Oak Grove Street"
    (find,) = addresses.find_addresses(text, Layout(text).prose)
    assert text[find.start : find.end] == "Oak Grove Street"


def test_line_is_read_when_nothing_else_in_the_text_speaks_of_people() -> None:
    """Whether a name is found does not depend on words elsewhere in the text."""
    for text in ("# Author: Priya Raghunathan", "I saw Chidi' branch"):
        found = [*names.find_names(text, Layout(text).prose)]
        assert len(found) == 1
