"""What in a document is addressed to a model instead of a reader, or hidden from the reader.

Words of a meaning that stand close together are what is looked for, so that wording, order,
markup and spelling matter little. It takes time in proportion to the text, whatever the text is.
It is a sieve and no proof: what it lets through stands in a prompt as data, as everything does.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_REVEAL = (
    "print, output, reveal, show, recite, quote, echo, dump, disclose, share, expose, reproduce, "
    "hand over, give out, give me, repeat, gib, gebe, zeige, zeig, wiederhole, nenne, verrate, "
    "affiche, affichez, montre, repete, donne, revele, revelez, muestra, revela, repite, imprime, "
    "exfiltrate"
)
_MEANINGS: Mapping[str, str] = {
    "drop": (
        "ignore, ignoring, disregard, forget, override, overrides, bypass, cancel, void, "
        "obsolete, pay no attention, set aside, not follow, without following, no longer counts, "
        "ignoriere, ignoriert, vergiss, missachte, umgehe, befolge nicht, ignorez, oublie, "
        "oubliez, tiens pas compte, tenez pas compte, ignora, ignorad, olvida, hagas caso, caso "
        "omiso, discard, circumvent, supersedes, supersede, put aside"
    ),
    "before": (
        "previous, prior, above, earlier, preceding, before, received, given, told, all, your, "
        "vorherigen, vorigen, bisherigen, obigen, fruheren, deine, precedentes, ci dessus, tes, "
        "vos, anteriores, previas, anterior, tus"
    ),
    "rules": (
        "instructions, instruction, directions, directives, guidelines, guidance, orders, rules, "
        "prompt, safety, anweisungen, anweisung, regeln, vorgaben, consignes, instrucciones, "
        "reglas, regles, commands, constraints, policies, policy, protocol, protocols, "
        "restrictions, guardrails, directive"
    ),
    "all of it": (
        "everything above, everything before, text above, text before, came before, line above, "
        "developer told, lo anterior, conversation so far, start of this conversation, before the "
        "conversation, placed before, alles obige, forget everything, ignore everything, "
        "disregard everything, words above, lines above, content above, before this message"
    ),
    "new rules": (
        "new instructions, new instruction, your new task, new system instruction, real "
        "instructions, your instructions have been, new rules, neue anweisung, neue anweisungen, "
        "nouvelles instructions, nouvelles consignes, nuevas instrucciones, the real ones, forget "
        "everything"
    ),
    "reveal": _REVEAL,
    "tell": (
        f"{_REVEAL}, append, insert, write, put, state, publish, schreibe, schreib, recopie, "
        "ecris, ajoute, escribe, copia, pon, post"
    ),
    "mention": (
        "list, copy, copying, begin, start, take, add, send, serve, contain, contains, what is, "
        "display, give, render, what are, what were, tell me, translate, encode, summarise, "
        "summarize, export"
    ),
    "prompt": (
        "system prompt, system message, systemprompt, systemnachricht, your prompt, its prompt, "
        "own prompt, initial prompt, hidden prompt, raw prompt, original prompt, prompt you, your "
        "instructions, your full instructions, your initial instructions, initial instructions, "
        "full instructions, its instructions, hidden directives, message your operator, your "
        "operator, prompt of this, deine anweisungen, deiner anweisungen, deinen prompt, prompt "
        "systeme, message systeme, invite systeme, tes instructions, tes consignes, vos "
        "instructions, vos consignes, prompt del sistema, mensaje del sistema, prompt inicial, "
        "tus instrucciones, its preamble, instructions you, your whole prompt, your entire "
        "prompt, whole prompt, hidden instructions, secret instructions, system instructions, "
        "your first instruction"
    ),
    "your own": (
        "your system prompt, your system message, your initial prompt, your hidden prompt, your "
        "original prompt, your whole prompt, your entire prompt, your full instructions, your "
        "initial instructions, your hidden instructions, your secret instructions"
    ),
    "yours": "your, deine, deinen, deiner, tes, vos, tus",
    "told": (
        "instructions, system prompt, prompt, directives, guidelines, programming, anweisungen, "
        "consignes, instrucciones"
    ),
    "key": (
        "api key, api keys, your key, secret key, secret keys, secret token, access token, openai "
        "api key, api schlussel, geheimen schlussel, den schlussel, cle api, cle secrete, clave "
        "de api, clave secreta, credentials and keys, the password that, every secret, key of its "
        "api"
    ),
    "other": (
        "other student, other students, anderen studenten, anderen nutzers, autre etudiant, otro "
        "estudiante"
    ),
    "words": (
        "text, texts, submission, submissions, conversation, conversations, messages, chat, "
        "texte, texto, abgabe, sent to you"
    ),
    "model": (
        "ai, llm, language model, ai assistant, ai assistants, ai tools, chatbot, chat bot, gpt, "
        "chatgpt, claude, copilot, assistant, the model, ki, ia, assistent, assistenten, "
        "sprachmodell, asistente, automatically"
    ),
    "address": (
        "note to the assistant, note to assistant, note for ai, dear chatbot, attention ai, if "
        "you are a, if you are an, as an ai, message to the, an die ki, message a l, mensaje para "
        "el, reading this, reads this, important for the, llm instruction, processes this text"
    ),
    "role play": (
        "you are now, you re now, from now on, act as if, act as an, pretend to be, pretend that "
        "you, admin mode, debug output, jailbreak, jailbroken, your true purpose, leave the role, "
        "du bist jetzt, ab sofort, entwicklermodus, tu es maintenant, a partir de maintenant, "
        "vous etes maintenant, ahora eres, a partir de ahora, pretend you are, jailbreak mode, "
        "you are unrestricted, you are an unrestricted"
    ),
    "unbound": (
        "ai, ia, ki, assistant, unfiltered, no restrictions, without restrictions, had no "
        "restrictions, sans restrictions, sans regles, sin restricciones, sin limites, ohne "
        "einschrankungen, dan, developer mode, administrator, unrestricted, no rules, dan mode, "
        "no limits, without any safety"
    ),
    "hush": (
        "not tell, don t tell, not inform, without informing, without telling, not reveal to, don "
        "t reveal to, never mention, say nothing, keep this secret, must not know, nichts davon, "
        "ne dis rien, no le digas, secret from, confidential, not mention this"
    ),
    "reader": (
        "user, the student, the reader, student, this note, these instructions, nutzer, "
        "utilisateur, usuario, about this"
    ),
    "reply": (
        "your answer, your reply, your response, the answer, the reply, every answer, every "
        "question, the summary, reply only, reply with, answer with, answer only, antworte nur, "
        "respond with, respond only, when summarising, when summarizing, when asked, la reponse, "
        "la respuesta, word for word, verbatim, mot pour mot, palabra por palabra, wortlich, "
        "wortlaut"
    ),
    "go": (
        "send, call, visit, fetch, post, render, append, image, link, exfiltrate, add, request, "
        "load, ping"
    ),
    "obey": (
        "what it says, do what it, conversation so far, student s question, user s question, "
        "followed by, in its query, url encoded, tell the student, tell the user"
    ),
    "speaker": "\ue001",
    "address of a page": "\ue002",
    "marker": "\ue003",
}
"""Words and phrases by what they mean, in lower case without accents and punctuation."""

_RULES: Sequence[tuple[str, int, str]] = (
    ("instruction", 9, "drop + before + rules"),
    ("instruction", 7, "drop + all of it"),
    ("instruction", 5, "drop + prompt"),
    ("instruction", 9, "drop + reply + prompt"),
    ("instruction", 9, "drop + new rules"),
    ("instruction", 12, "new rules + tell"),
    ("instruction", 12, "role play + unbound"),
    ("instruction", 14, "role play + prompt"),
    ("instruction", 14, "address + model + tell"),
    ("secrets", 9, "tell + prompt + reply"),
    ("secrets", 9, "tell + prompt + model"),
    ("secrets", 6, "reveal + prompt"),
    ("secrets", 6, "tell + your own"),
    ("secrets", 4, "reveal + yours + told"),
    ("secrets", 8, "tell + all of it"),
    ("secrets", 7, "reveal > key"),
    ("secrets", 10, "tell + key + reply"),
    ("secrets", 5, "mention + prompt"),
    ("secrets", 12, "mention + key + reply"),
    ("secrets", 8, "mention + all of it + reply"),
    ("secrets", 9, "tell > other + words"),
    ("secrets", 12, "reply + prompt"),
    ("secrecy", 10, "hush + reader + tell"),
    ("secrecy", 10, "hush + reader + model"),
    ("role", 7, "speaker > tell"),
    ("role", 12, "speaker + drop"),
    ("role", 12, "speaker + prompt"),
    ("role", 1, "marker"),
    ("exfiltration", 14, "address of a page + prompt"),
    ("exfiltration", 14, "address of a page + go + key"),
    ("exfiltration", 14, "address of a page + go + other"),
    ("exfiltration", 14, "address of a page + go + obey"),
)
"""A flag, and the meanings that have to stand within so many words of each other.

`+` stands between meanings in any order, `>` before the one that has to come last.
"""


def _rules_of(last: str) -> Iterator[tuple[str, int, frozenset[str]]]:
    """Yield the rules that a meaning may complete, with the others that have to be there."""
    for flag, width, meanings in _RULES:
        *_, end = meanings.split(" > ")
        wanted = frozenset(re.split(r" [+>] ", meanings))
        if last in end.split(" + "):
            yield flag, width, wanted - {last}


_RULES_OF = {meaning: tuple(_rules_of(meaning)) for meaning in _MEANINGS}

_LONGEST_PHRASE = 5
_NOUN_OR_NOT = ("never", "not", "t", "nicht", "jamais", "nunca", "a", "an", "the")
_UNSAID_AFTER: Mapping[str, Sequence[str]] = {
    "reveal": _NOUN_OR_NOT,
    "tell": _NOUN_OR_NOT,
    "prompt": ("a", "an"),
}
"""The words after which a meaning is not meant: "do not print", "the output", "a system prompt"."""
_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u043a\u043c\u0442"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406"
    "\u03b1\u03b5\u03bf\u03c1\u03b9\u03bd\u0391\u0392\u0395\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4",
    "aeopcyxijsdhkmtABEKMHOPCTXIaeopivABEIKMNOPT",
)
_LEET = str.maketrans("013457@$", "oleastas")
_LEET_I = str.maketrans("013457@$", "oieastas")
_UNSEEN = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2060-\u206f\ufeff"
_LIGATURE = "\ufdfa"
"""It stands for 18 letters, and a text of it for 18 texts."""
_INVISIBLE = re.compile(f"[{_UNSEEN}{_LIGATURE}\u202a-\u202e\U000e0000-\U000e0fff]+")
_TAGS = re.compile("(?<!\U0001f3f4)[\U000e0020-\U000e007e]{4,}")
_FROM_TAGS = {0xE0000 + code: code for code in range(0x20, 0x7F)}
_SELECTORS = re.compile("[\U000e0100-\U000e01ef]{4,}")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SPLIT_WORD = re.compile("[A-Za-z][\u200b-\u200d\u2060-\u2064\ufeff]+(?=[A-Za-z ])")
_FEW = 3
"""Words that an invisible character may cut, as copying from a page does."""
_ACCENTS = re.compile("[\u0300-\u036f]+")
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[ ._*-][^\W_]){2,}(?![^\W_])")
_BROKEN = re.compile(r"(?<=[^\W\d_])-\s*\n[\s#*>/|]*(?=[^\W\d_])")
_SPEAKER = re.compile(
    r"^[ \t#>*|/\"'`!<-]{0,8}(?:system|assistant|human|developer)"
    r"(?: message| prompt| instruction| update)?[\s*]{0,3}:|\[system(?: [^\[\]\n]{0,40})?\]",
    re.I | re.M,
)
_ROLE_FIELD = re.compile(r"[\"']role[\"']\s{0,3}:\s{0,3}[\"'](?:system|developer)[\"']", re.I)
_MARKER = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|"
    r"^ {0,3}</?(?:documents|request|assignment|findings|system)(?: [0-9a-f]{6,64})?>|"
    r"^#{2,4} (?:Instruction|Response|System|Assistant):\s*$|"
    r"\b(?:BEGIN|END) SYSTEM PROMPT\b",
    re.M,
)
_PAGE = re.compile(r"https?://[^\s<>\"'\])]{1,2000}")
_LOADED = re.compile(
    r"(?:!\[[^\[\]\n]{0,80}\]\(|<img[^<>]{0,80}src\s{0,3}=\s{0,3}[\"']?)https?://[^\s<>\"')]{1,200}"
    r"(?:[\[{$<]|(?-i:=[A-Z_]{4}))",
    re.I,
)
_CODED = re.compile(r"(?<!;base64,)(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{32,}={0,2}")
_WORD = re.compile("[^\\W_]+(?:[@$][^\\W_]+)*|[\ue001-\ue003]")


def _phrases() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for meaning, phrases in _MEANINGS.items():
        for phrase in phrases.split(", "):
            found[phrase] = (*found.get(phrase, ()), meaning)
    return found


_PHRASES = _phrases()
_HEADS = frozenset(
    " ".join(words[:length])
    for words in map(str.split, _PHRASES)
    for length in range(1, len(words) + 1)
)
"""Every beginning of a phrase, so that only what may become one is read on."""


def flags_of(text: str) -> tuple[str, ...]:
    """Name what is suspicious in a document; empty where nothing is.

    The names are "instruction", "secrets", "secrecy", "role", "exfiltration", "hidden" and
    "encoded".
    """
    found = _said(text)
    if _is_hidden(text):
        found.add("hidden")
    decoded = "\n".join(_decoded(text))
    if decoded and _said(decoded):
        found.add("encoded")
    tags = "".join(_TAGS.findall(text)).translate(_FROM_TAGS)
    return tuple(sorted(found | _said(tags)))


def _is_hidden(text: str) -> bool:
    unseen = (_TAGS, _SELECTORS, _REORDERING)
    return any(p.search(text) for p in unseen) or len(_SPLIT_WORD.findall(text)) > _FEW


def _said(text: str) -> set[str]:
    if not text:
        return set()
    found = {"exfiltration"} if _LOADED.search(text) else set()
    folded = _fold(text)
    last: dict[str, int] = {}
    for position, meaning in _meanings(_WORD.findall(folded)):
        last[meaning] = position
        for flag, width, others in _RULES_OF[meaning]:
            for other in others:
                if last.get(other, -width - 1) < position - width:
                    break
            else:
                found.add(flag)
    return found


def _fold(text: str) -> str:
    """Undo what makes words look the same to a reader and different to a program."""
    text = _SPEAKER.sub(" \ue001 ", _MARKER.sub(" \ue003 ", _ROLE_FIELD.sub(" \ue001 ", text)))
    text = _PAGE.sub(" \ue002 ", text)
    text = _INVISIBLE.sub("", text)
    text = unicodedata.normalize("NFKD", text).translate(_LOOK_ALIKES)
    text = _ACCENTS.sub("", text)
    text = _SPACED.sub(lambda letters: letters[0][::2], _BROKEN.sub("", text))
    return text.casefold()


def _meanings(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield where a word or phrase begins, and what it means."""
    for position, word in enumerate(words):
        for begin in _readings(word):
            phrase = begin
            for following in range(position + 1, position + _LONGEST_PHRASE + 1):
                if phrase not in _HEADS:
                    break
                for meaning in _PHRASES.get(phrase, ()):
                    if not (position and words[position - 1] in _UNSAID_AFTER.get(meaning, ())):
                        yield position, meaning
                if following == len(words):
                    break
                phrase = f"{phrase} {words[following]}"


def _readings(word: str) -> Sequence[str]:
    if word.isalpha() or word.isdigit():
        return (word,)
    return (word.translate(_LEET_I), word.translate(_LEET))


def _decoded(text: str) -> Iterator[str]:
    for code in _CODED.findall(text):
        letters = code.rstrip("=")
        whole = letters[:-1] if len(letters) % 4 == 1 else letters
        said = base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("ascii", "ignore")
        if said.isprintable() and len(said) > len(whole) // 2:
            yield said
