"""Rules that score a request's kind of help by its words; where unsure, they stay silent."""

import re
from collections.abc import Mapping

from graphs.state import PromptType

_SURE = 1.5
"""How far the best score has to lead for the rules to decide alone; set on the labelled dev set."""
READ = 2_000
"""Characters of a request that the rules read from its start and from its end."""
_BRIEF_LENGTH = 600
"""A message longer than this that asks nothing is taken for an assignment text."""

_THING = (
    r"(?:function|class|script|program(?:a|me)?|method|endpoint|api|app|application|component|query|"
    r"model|code|tests?|regex|parser|module|struct|page|form|decorator|server|makefile|gui|loop|"
    r"one[- ]?liner|snippet|tree|list|solution|implementation|calculator)"
)
_WORDS: Mapping[PromptType, tuple[tuple[float, str], ...]] = {
    "planning": (
        (
            2.5,
            r"\b(?:roadmap|time ?line|milestones?|work ?load|breakdown|work items|strategy|workflow|gantt|deliverables?|"  # noqa: E501
            r"order of (?:work|attack)|next steps?)\b",
        ),
        (
            3.0,
            r"\b(?:plan|schedule|outline|steps|stages|checklist|to-?do list|prioriti[sz]e|organi[sz]e)\b",  # noqa: E501
        ),
        (
            2.0,
            r"\bbr[ea]+k\w*\b.{0,40}\b(?:down|up|into)\b|\b(?:split|divide|chop)\w*\b.{0,40}"
            r"\b(?:work|parts?|tasks?|steps?|project|among|between)\b",
        ),
        (2.5, r"\b(?:what|wh?[ao]ht?|which|where)\b.{0,40}\b(?:first|fr?ist|start|begin|order)\b"),
        (1.5, r"\b(?:how long|how many (?:hours|days)|days? (?:left|until)|before coding)\b"),
        (1.5, r"\b(?:deadline|due)\b.{0,60}\b(?:help|make|schedule|days|plan)\b"),
        (
            1.0,
            r"\b(?:final|whole|team|group|semester)\b.{0,15}\b(?:assignment|project|coursework)\b",
        ),
        (
            3.0,
            r"\b(?:planifi\w*|planea\w*|pasos|zeitplan|schritte|[ée]tapes|cronograma|harmonogram|tareas)\b",
        ),
        (3.0, r"计划|步骤|計画|手順|этап|план|계획|خطة"),
    ),
    "chat": (
        (0.6, r"\A"),
        (
            2.0,
            r"\b(?:expla[ni]\w*|why|diff?e?rence|mean(?:s|ing)?|understand|compare|tell me (?:about|how|why))\b",  # noqa: E501
        ),
        (1.5, r"\b(?:what|waht)(?:'s| is| are| does| happens)\b|\b(?:am i|are you|does|who|when) "),
        (
            1.5,
            r"^[^\w\n]*(?:hi|hello|hey|thanks?|thank you|good (?:morning|evening)|ok(?:ay)?|bye|lol)\b",  # noqa: E501
        ),
        (
            1.5,
            r"\b(?:error|exception|traceback|fails|failing|crash\w*|wrong|doesn'?t work|stuck)\b",
        ),
        (
            1.5,
            r"\b(?:should i|is it|is there|are there|could you check|do you think|which is|better)\b",  # noqa: E501
        ),
        (
            1.5,
            r"\bhow (?:do|does|should|can|will|is|to)\b|\b(?:advice|review|hint|allowed|cheating)\b",  # noqa: E501
        ),
        (2.5, r"\b(?:just|only)\b.{0,25}\b(?:explain|tell|understand|know|idea|concept|hint)\b"),
        (3.0, r"(?:\bno|don'?t|do not|without)\b.{0,30}\b(?:code|solution|write)\b"),
        (
            3.0,
            r"\b(?:warum|erkl[äa]r\w*|pourquoi|expli[qc]\w*|qu[eé] es|por ?qu[eé]|perch[eé]|cos'?[eè]|jaka)\b",  # noqa: E501
        ),
        (3.0, r"为什么|解释|什么是|なぜ|почему|объясни|왜|لماذا"),
    ),
    "codegen": (
        (
            2.5,
            r"\b(?:write|generate|impe?le?ment|create|build|make|code|give|giv|show|need|want|produce|add)\b"
            rf".{{0,60}}\b{_THING}\b",
        ),
        (1.5, rf"\b{_THING}\b.{{0,20}}\b(?:that|which|for|in) "),
        (
            2.0,
            r"\b(?:complete|finish|fill in|convert|translate|port|rewrite|refactor|turn|optimi[sz]e|"  # noqa: E501
            r"vectori[sz]e|rename|fix|hook up|clean up)\b.{0,40}"
            r"\b(?:code|function|class|method|stub|this|these|into|python|java|rust|go|script|loop|endpoint|bug)\b",
        ),
        (
            2.0,
            r"(?:^[^\w\n]*(?:please |pls )?|\b(?:and|so|just|please|now) (?:please )?)"
            r"(?:write|impe?le?ment|generate|code|create|convert|translate|build|produce)\b",
        ),
        (
            1.5,
            r"\b(?:snippet|boilerplate|skeleton|one[- ]?liner|source code|in code|into code|teh code)\b",  # noqa: E501
        ),
        (1.5, r"^\s*(?:def |class |function |public |fn |func |#include|import )"),
        (
            3.0,
            r"\b(?:escr[ií]b\w*|genera|hazme|schreib\w*|programmiere|[ée]cris|scrivi|escreva|faz|napisz|"
            r"implementiere|likh\w*)\b",
        ),
        (3.0, r"写|書いて|напиши|작성|اكتب"),
    ),
}
_RULES = {
    kind: [(weight, re.compile(pattern, re.I | re.M)) for weight, pattern in rules]
    for kind, rules in _WORDS.items()
}


def score(text: str) -> dict[PromptType, float]:
    """Score how much a request looks like each kind of help."""
    read = text if len(text) <= 2 * READ else f"{text[:READ]}\n{text[-READ:]}"
    read = re.sub(r"\s*\n\s*", "\n", read)  # runs of blank lines cost the rules a lot
    scores: dict[PromptType, float] = {
        kind: sum(weight for weight, pattern in rules if pattern.search(read))
        for kind, rules in _RULES.items()
    }
    if len(text) > _BRIEF_LENGTH and not text.rstrip().endswith("?"):
        scores["planning"] += 4.0
    if text.rstrip().endswith("?") and len(text) < _BRIEF_LENGTH:
        scores["chat"] += 0.5
    return scores


def decide_by_rules(text: str) -> PromptType | None:
    """Return the kind of help where the rules are sure, else `None`."""
    scores = score(text)
    best, second = sorted(scores, key=lambda kind: scores[kind], reverse=True)[:2]
    return best if scores[best] - scores[second] >= _SURE else None
