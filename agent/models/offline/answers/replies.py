"""Fixed replies to what is no question of programming: greetings, distress, rules, small talk.

It knows the person's side of a conversation. It quotes nothing.
"""

import re

from agent.models.offline.answers.quoting import echo
from agent.models.offline.reading.words import terms

CAN = (
    "I can plan an assignment, quote what past assignments did about a question, or write a "
    "code skeleton. Tell me which task you are on, or paste the text you were given."
)
_LONGEST = 400
"""A longer message is a text or a log, not one of these."""
_GREETING = re.compile(
    r"^\W*(?:hi+|hello|hey+|hiya|yo|good (?:morning|afternoon|evening|day)|hallo|hola"
    r"|bonjour|salut|ol[aá]|ciao"
    r"|ok(?:ay)?|cool|great|nice|perfect|bye|goodbye|see you|cu|lol|test)(?: (?:there|all"
    r"|you|everyone|tomorrow))*\W*$",
    re.I,
)
_THANKS = re.compile(
    r"^\W*(?:thanks?|thank you|thx|ty|danke|gracias|merci|obrigad[oa])\b.{0,40}$", re.I
)
_WHO = re.compile(
    r"^\W*(?:(?:hi|hello|hey)\W+)?(?:who are you|what are you|what can you do|what do you "
    r"do|help(?: me)?|how do you work)\W*$",
    re.I,
)
_DANGER = re.compile(
    r"\b(?:kill(?:ing)? myself|suicid\w+|end my life|(?:want|wanna) (?:to )?die"
    r"|hurt(?:ing)? myself|harm(?:ing)? myself|self[- ]harm)\b",
    re.I,
)
_DISTRESS = re.compile(
    r"\boverwhelmed\b|\bi panic\b"
    r"|\b(?:i|i'?m|i'?ll)\b.{0,40}\b(?:(?:give|giving) up"
    r"(?=\W*$|[.,;!]|\s+(?:and|on|now|because|with|this|my|it)\b)"
    r"|drop out|hopeless|desperate|panicking"
    r"|in (?:a )?panic|stressed|anxious|depressed|burn(?:ed|t) out|freaking out|crying|exhausted"
    r"|(?:too |so )(?:stupid|dumb|lost)|hate (?:this|my life|myself)|worthless)\b"
    r"|\bi (?:can'?t|cannot|can not) (?:do (?:this|it)|cope|take (?:this|it)|go on)(?: any ?more)?"
    r"\W*$",
    re.I,
)
_INTEGRITY = re.compile(
    r"\b(?:cheat(?:ing)?|plagiari[sz]\w*|academic(?:ally)? (?:integrity|honest\w*|misconduct))\b"
    r"|\b(?:allowed|okay|ok|fair|ethical|legal|permitted|forbidden)\b.{0,40}"
    r"\b(?:this (?:tool|assistant)|an? assistant|ai|chat ?gpt|llm|you)\b"
    r"|\b(?:can|may|should|must) (?:i|we)\b.{0,30}\b(?:use|used|using)\b.{0,20}"
    r"\b(?:ai|chat ?gpt|this (?:tool|assistant)|llms?|copilot)\b"
    r"|\b(?:declare|disclose|cite|mention|admit)\b.{0,40}\b(?:ai|this tool|you|assistant)\b",
    re.I,
)
_ABOUT_A_PROGRAM = re.compile(
    r"\b(?:detect\w*|checker|game|app|program|implement\w*|build|code an?|api|model)\b", re.I
)
_OFF_TOPIC = re.compile(
    r"^\W*(?:what(?:'?s| is| was| are)|tell me|do you know|name)\s+(?:the\s+)?"
    r"(?:capital of|population of"
    r"|president|prime minister|currency of|weather|meaning of life|news|football)\b"
    r"|^\W*who (?:is|was|won|wrote|painted|discovered) "
    r"|^\W*how(?:'?s| is) the weather\b|^\W*how are you\b"
    r"|\btell me an? (?:\w+ )?(?:joke|story|poem)\b"
    r"|^\W*(?:do you like|what'?s your favou?rite|what do you think of) ",
    re.I,
)

_IN_DANGER = (
    "I am glad that you said it. I am only a program of rules and cannot help with this, but "
    "people can: if you may harm yourself, call your local emergency number or a crisis line now, "
    "and stay with somebody you trust. The assignment can wait; tell the teaching staff or the "
    "student counselling when you are safe."
)
_KIND = (
    "That sounds hard. Being stuck or tired says nothing about whether you can do this, and you "
    "do not have to do all of it now."
)
_STAFF = (
    "If that is still too much, take a break and write to the teaching staff today: say where you "
    "are stuck and ask what can be done about the time. They would rather hear it early. If it "
    "goes beyond this assignment, talk to somebody you trust or to your student counselling."
)
_BY_THE_RULES = (
    "I cannot decide that: the rules of your course do. Look in its syllabus for what is said "
    "about AI tools, and ask the teaching staff before you hand in if nothing is said.",
    "Where it is allowed: say what AI wrote and what is yours. Code files that I write carry a "
    "header that says so; leave it in. What I quote comes from past assignments of others: name "
    "the source, and take the idea rather than the lines. You are responsible for what you hand "
    "in, so keep only what you can explain.",
)
_OTHER_FIELD = (
    "That does not look like a question about a programming assignment, and I answer only from "
    "past assignments."
)


def reply(question: str, task: str) -> str:
    """Answer what is no question of programming; an empty string for a real question."""
    if not terms(question) and not question.endswith("?"):
        return f"I could not find a question in that. {CAN}"
    if len(question) > _LONGEST:
        return ""
    if _THANKS.match(question):
        return "You are welcome. Tell me when you reach the next task."
    if _GREETING.match(question):
        place = f" You are working on “{echo(task)}”." if task else ""
        return f"Hello!{place} {CAN}"
    if _WHO.match(question):
        return CAN
    return _personal(question, task)


def _personal(question: str, task: str) -> str:
    if _DANGER.search(question) and not _ABOUT_A_PROGRAM.search(question):
        return _IN_DANGER
    if _DISTRESS.search(question) and not _ABOUT_A_PROGRAM.search(question):
        return "\n\n".join((_KIND, _smallest_step(task), _STAFF))
    if _INTEGRITY.search(question) and not _ABOUT_A_PROGRAM.search(question):
        return "\n\n".join(_BY_THE_RULES)
    return f"{_OTHER_FIELD} {CAN}" if _OFF_TOPIC.search(question) else ""


def _smallest_step(task: str) -> str:
    place = f"Open “{echo(task)}” and write" if task else "Open the assignment's text and write"
    return (
        f"The smallest next step: {place} one sentence on what goes in and what has to come out. "
        "Ten minutes, no code; then decide again. If you like, send me that sentence."
    )
