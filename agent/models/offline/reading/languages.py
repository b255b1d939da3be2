"""Programming languages and frameworks: how a text names them, and their usual tools.

It knows names, file suffixes and commands. It does not know what a text asks for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.models.offline.reading.outline import Item

UNKNOWN = "unspecified"


@dataclass(frozen=True, slots=True)
class Toolset:
    """What a student of a language sets up, writes, tests and checks with."""

    suffix: str
    setup: tuple[str, ...]
    build: tuple[str, ...]
    test: tuple[str, ...]
    lint: tuple[str, ...]


_PLAIN = Toolset("txt", ("text editor",), (), ("test checklist",), ("editor",))
TOOLSETS: Mapping[str, Toolset] = {
    "python": Toolset("py", ("python", "pip"), ("python",), ("pytest",), ("ruff",)),
    "javascript": Toolset("js", ("node", "npm"), ("javascript",), ("node --test",), ("eslint",)),
    "typescript": Toolset("ts", ("node", "npm"), ("tsc",), ("vitest",), ("eslint",)),
    "java": Toolset("java", ("jdk", "maven"), ("javac",), ("junit",), ("checkstyle",)),
    "c": Toolset("c", ("gcc", "make"), ("gcc",), ("assert.h", "valgrind"), ("clang-format",)),
    "cpp": Toolset("cpp", ("g++", "cmake"), ("g++",), ("catch2",), ("clang-format",)),
    "csharp": Toolset("cs", ("dotnet",), ("dotnet",), ("xunit",), ("dotnet format",)),
    "rust": Toolset("rs", ("cargo",), ("rustc",), ("cargo test",), ("clippy", "rustfmt")),
    "go": Toolset("go", ("go",), ("go",), ("go test",), ("go vet", "gofmt")),
    "kotlin": Toolset("kt", ("jdk", "gradle"), ("kotlinc",), ("junit",), ("ktlint",)),
    "swift": Toolset("swift", ("swift",), ("swift",), ("xctest",), ("swiftlint",)),
    "ruby": Toolset("rb", ("bundler",), ("ruby",), ("minitest",), ("rubocop",)),
    "php": Toolset("php", ("composer",), ("php",), ("phpunit",), ("phpcs",)),
    "haskell": Toolset("hs", ("cabal",), ("ghc",), ("hspec",), ("hlint",)),
    "scala": Toolset("scala", ("sbt",), ("scala",), ("scalatest",), ("scalafmt",)),
    "r": Toolset("R", ("R",), ("R",), ("testthat",), ("lintr",)),
    "sql": Toolset("sql", ("sqlite3",), ("sql",), ("sqlite3",), ("sqlfluff",)),
    "bash": Toolset("sh", ("bash",), ("bash",), ("bats",), ("shellcheck",)),
    "html": Toolset("html", ("browser",), ("html", "css"), ("browser",), ("html validator",)),
    "lua": Toolset("lua", ("lua",), ("lua",), ("busted",), ("luacheck",)),
    "matlab": Toolset("m", ("matlab",), ("matlab",), ("matlab.unittest",), ("checkcode",)),
    "julia": Toolset("jl", ("julia",), ("julia",), ("Test",), ("JuliaFormatter",)),
    "dart": Toolset("dart", ("dart",), ("dart",), ("dart test",), ("dart analyze",)),
    "ocaml": Toolset("ml", ("opam", "dune"), ("ocaml",), ("dune test",), ("ocamlformat",)),
    "perl": Toolset("pl", ("cpan",), ("perl",), ("prove",), ("perltidy",)),
    "clojure": Toolset("clj", ("clojure",), ("clojure",), ("clojure.test",), ("cljfmt",)),
    "prolog": Toolset("pro", ("swipl",), ("swipl",), ("plunit",), ("swipl",)),
    "zig": Toolset("zig", ("zig",), ("zig",), ("zig test",), ("zig fmt",)),
    "elixir": Toolset("ex", ("mix",), ("elixir",), ("exunit",), ("mix format",)),
}
_NAMES: Mapping[str, str] = {
    "python": r"(?:python|pyhton|phyton)(?:\s?[23](?:\.\d+)?)?",
    "javascript": r"java\s?script|js|es6|node\.?js|vanilla js",
    "typescript": r"typescript",
    "java": r"java(?:\s?\d{1,2})?(?!\s?script)",
    "cpp": r"c\+\+(?:\d\d)?|cpp",
    "csharp": r"c#|csharp|\.net",
    "rust": r"rust",
    "kotlin": r"kotlin",
    "swift": r"swift(?:ui)?",
    "ruby": r"ruby",
    "php": r"php",
    "haskell": r"haskell",
    "scala": r"scala",
    "sql": r"sql",
    "bash": r"bash|shell script|shellscript",
    "html": r"html5?",
    "lua": r"lua",
    "matlab": r"matlab",
    "julia": r"julia",
    "dart": r"dart",
    "ocaml": r"ocaml",
    "perl": r"perl",
    "clojure": r"clojure",
    "prolog": r"prolog",
    "zig": r"zig",
    "elixir": r"elixir",
    "go": r"golang",
}
_FRAMEWORKS: Mapping[str, tuple[str, str]] = {
    "fastapi": ("python", r"fast\s?api"),
    "flask": ("python", r"flask"),
    "django": ("python", r"django"),
    "pytorch": ("python", r"(?:py)?torch"),
    "tensorflow": ("python", r"tensorflow|keras"),
    "scikit-learn": ("python", r"scikit-learn|sklearn"),
    "pandas": ("python", r"pandas"),
    "numpy": ("python", r"numpy"),
    "tkinter": ("python", r"tkinter"),
    "pygame": ("python", r"pygame"),
    "streamlit": ("python", r"streamlit"),
    "react native": ("javascript", r"react[- ]native"),
    "react": ("javascript", r"react(?:\.?js)?"),
    "vue": ("javascript", r"vue(?:\.?js)?"),
    "angular": ("typescript", r"angular(?:\.?js)?"),
    "svelte": ("javascript", r"svelte"),
    "next.js": ("javascript", r"next\.?js"),
    "express": (
        "javascript",
        r"express\.?js|express(?= (?:server|app|api|route|backend|framework))",
    ),
    "spring boot": ("java", r"spring(?: ?boot)?"),
    "javafx": ("java", r"javafx"),
    "android": ("kotlin", r"android"),
    "rails": ("ruby", r"(?:ruby on )?rails"),
    "laravel": ("php", r"laravel"),
    "asp.net": ("csharp", r"asp\.net(?: core)?"),
    "unity": ("csharp", r"unity(?= (?:game|project|engine|3d|scene))"),
    "flutter": ("dart", r"flutter"),
    "actix": ("rust", r"actix(?:-web)?"),
    "axum": ("rust", r"axum"),
    "gin": ("go", r"gin(?= (?:framework|server|router|web))"),
    "qt": ("cpp", r"qt[56]?"),
}


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_.+#/-])(?:{pattern})(?![A-Za-z0-9_+#]|-\w)", re.I)


_NAMED = {name: _word(pattern) for name, pattern in _NAMES.items()}
_MADE = (
    r"(?:programs?|functions?|methods?|script|package|class|structs?|source|compiler|module"
    r"|library)"
)
_ENDS_SAID = r"(?=\s*(?:[.,;:!?]|$|(?:please|pls|with|using|and|that|which)\b))"
_WORK = (
    r"^(?!.*\b(?:b|vitamin|stor\w+|put)\b).*\b(?:program|function|class|script|code|write|written"
    r"|implement\w*|coded?|create|solve)\b.*\bin\s+"
)
_NAMED_WITH_CASE = {
    "c": re.compile(
        r"(?:\b(?:[Ii]n|[Uu]se|[Uu]sing|[Ww]ith|plain|pure|ANSI)\s+C(?![\w+#'])|\bC(?:89|99"
        r"|11|17|23)\b"
        rf"|(?<![\w+#.-])(?:C|c) (?:{_MADE}|code|language|file|header|linked list)\b"
        rf"|{_WORK}c{_ENDS_SAID})"
    ),
    "r": re.compile(
        r"(?:\b(?:[Ii]n|[Uu]se|[Uu]sing|[Ww]ith)\s+R(?![\w&'])|(?<![\w-])R (?:script|code"
        rf"|package|markdown|notebook|data ?frame|{_MADE})\b|(?<![\w-])r script\b"
        rf"|{_WORK}r{_ENDS_SAID})"
    ),
    "go": re.compile(
        r"\b(?:[Ii]n|[Uu]se|[Uu]sing|[Ww]ith)\s+(?:Go\b|go"
        r"(?=\s*(?:[.,;:!?)]|$|(?:with|using|and|please|pls|that|which)\b)))"
        rf"|(?<!\w)(?:Go|go) (?:{_MADE}|https?|rest|web|service|server|handler|cli|tool|routine"
        r"|struct|api)\b|(?<!\w)Go code\b"
    ),
}
_UNWRITTEN = {
    **{
        name: _word(re.escape(name))
        for name in ("COBOL", "Fortran", "Objective-C", "PowerShell", "VBA", "Visual Basic",
                     "Erlang", "Solidity", "Smalltalk")
    },
    **{
        name: re.compile(
            rf"\b(?:in|using|use)\s+{name}(?!['\w])|(?<![\w-]){name}\s+(?:{_MADE}|code)\b", re.I
        )
        for name in ("F#", "Pascal", "Assembly", "Assembler", "Ada", "Lisp", "Scheme", "Scratch",
                     "Nim", "Racket", "Groovy", "Delphi")
    },
}  # fmt: skip
"""Languages that are known by name alone, the second lot only where a text writes in them."""
_USED = re.compile(
    r"\b(?:in|using|with|use|write|written|plain|coded|implemented|your|a|an|the)\s+$", re.I
)
_SAID_OF_DATA = re.compile(r"\b(?:written?|write it|coded?|implemented?|done) in\s+$", re.I)
_FRAMED = {name: (lang, _word(pattern)) for name, (lang, pattern) in _FRAMEWORKS.items()}
_SUFFIXES: Mapping[str, str] = {
    **{tools.suffix.lower(): name for name, tools in TOOLSETS.items()},
    "ipynb": "python",
    "jsx": "javascript",
    "mjs": "javascript",
    "tsx": "typescript",
    "h": "c",
    "cc": "cpp",
    "hpp": "cpp",
    "css": "html",
    "rmd": "r",
}
_FENCES: Mapping[str, str] = {
    **{name: name for name in TOOLSETS},
    **_SUFFIXES,
    "c++": "cpp",
    "c#": "csharp",
    "golang": "go",
    "py3": "python",
    "node": "javascript",
}
_WEAK_FENCES = frozenset(("html", "css", "sql", "sh", "bash", "shell", "m", "txt"))
_FILE = re.compile(r"(?<![\w/.-])[\w./-]{0,80}?\w\.([A-Za-z]{1,5})(?![\w./-])")
_CHOICE = re.compile(
    r"\b(?:of (?:your|their|his|her|any) choice|of the (?:student|developer)'?s? choice"
    r"|like|such as"
    r"|e\.g\.|for example|for instance|any (?:language|framework)|if you (?:like|prefer|want)"
    r"|optional(?:ly)?|alternatively)\b",
    re.I,
)
_BANNED = re.compile(
    r"\b(?:do not use|don't use|not allowed|may not use|must not|without(?: using)?|should not use"
    r"|avoid|instead of|unlike|rather than|no)\b",
    re.I,
)
_IDE_NOISE = re.compile(r"\b(?:developer\.mozilla|codepen|youtube)\b", re.I)


@dataclass(frozen=True, slots=True)
class Technology:
    """The language and framework that a text names; empty strings where it names none."""

    language: str
    framework: str
    also: tuple[str, ...] = ()
    """Other frameworks and libraries it names."""


def toolset(language: str) -> Toolset:
    """Return the usual tools of a language, plain ones for an unknown language."""
    return TOOLSETS.get(language, _PLAIN)


def find_technology(items: Iterable[Item]) -> Technology:
    """Weigh the mentions in a text; what a sentence offers as a choice or forbids is left out."""
    scores: Counter[str] = Counter()
    frameworks: Counter[str] = Counter()
    for item in items:
        if item.kind == "code":
            _score_code(item, scores)
        else:
            _score_prose(item.text, scores, frameworks)
    for name, count in frameworks.items():
        if count > (name in {"numpy", "pandas"}):
            scores[_FRAMED[name][0]] += 3
    chosen = _best(scores)
    fitting = [name for name, count in frameworks.most_common() if count and _fits(name, chosen)]
    return Technology(chosen, fitting[0] if fitting else "", tuple(fitting[1:4]))


def find_unwritten(text: str) -> str:
    """Return the first language named that nothing but the name is known of, or an empty string."""
    return next((name for name, pattern in _UNWRITTEN.items() if _unbanned(pattern, text)), "")


def _score_code(item: Item, scores: Counter[str]) -> None:
    tag = item.language
    if language := _FENCES.get(tag, ""):
        scores[language] += 1 if tag in _WEAK_FENCES else 3
    elif not tag and re.match(r"\s*(?:import \w+|from \w+ import |def \w+\(.*:|%\w+)", item.text):
        scores["python"] += 1


def _score_prose(text: str, scores: Counter[str], frameworks: Counter[str]) -> None:
    if _IDE_NOISE.search(text):
        return
    is_choice = bool(_CHOICE.search(text))
    for name, pattern in _NAMED.items():
        used = _SAID_OF_DATA if name in {"html", "sql"} else _USED
        for before in _unbanned(pattern, text):
            scores[name] += 5 if used.search(before) and not is_choice else 1
    for name, pattern in _NAMED_WITH_CASE.items():
        scores[name] += 5 * min(2, sum(1 for _ in pattern.finditer(text)))
    for found in _FILE.finditer(text):
        if language := _SUFFIXES.get(found[1].lower(), ""):
            scores[language] += 0 if found[1].lower() in _WEAK_FENCES else 2
    for name, (_, pattern) in () if is_choice else _FRAMED.items():
        frameworks[name] += len(_unbanned(pattern, text))


def _unbanned(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return what stands before each mention that is not forbidden."""
    before = [text[max(0, found.start() - 40) : found.start()] for found in pattern.finditer(text)]
    return [words for words in before if not _BANNED.search(words)]


def _best(scores: Counter[str]) -> str:
    if not scores or scores.most_common(1)[0][1] <= 0:
        return ""
    if scores["html"] and scores["javascript"]:
        scores["javascript"] += scores["html"]
        del scores["html"]
    if scores["c"] and scores["cpp"]:
        scores["cpp"] += scores["c"]
        del scores["c"]
    return max(scores, key=lambda name: (scores[name], name))


def _fits(framework: str, language: str) -> bool:
    family = {"javascript", "typescript"}
    theirs = _FRAMED[framework][0]
    return theirs == language or (theirs in family and language in family)
