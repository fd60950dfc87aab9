"""The language of a lesson's checks, such as `train_f < 0.02 and alarm "collapse"`. A check is never evaluated as Python.

    check   := clause (("and" | "or") clause)*, "not" clause, parentheses
    clause  := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)+ | alarm "NAME"
    sum     := numbers, "texts" and names of facts with + - * / and parentheses; 2 % is 0.02

An unknown fact makes its clause unknown, and a check that depends on this clause does not pass.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import RequestError
from core.lessons.fact_names import is_fact, known_names

MOST_CHARACTERS = 500  # of a check
MOST_NESTED = 20  # parentheses within parentheses
Facts = Mapping[str, Any]  # "alarms" is a set of names in lower case, all others numbers, texts or None

_TOKEN = re.compile(
    r"""\s*(?:
        (\d+\.?\d*(?:e[+-]?\d+)?)      # number
        | "([^"]*)"                     # text
        | ([A-Za-z_][\w.]*)             # name
        | (<=|>=|==|!=|[<>()+*/%-])     # sign
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_KEYWORDS = ("and", "or", "not", "alarm")


@dataclass(frozen=True)
class Clause:
    """The result of one comparison: ``holds`` is None for an unknown fact; ``values`` has the facts it uses."""

    text: str
    holds: bool | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """The result of a check for one run."""

    passed: bool
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Check:
    """A parsed check: ``text`` as written, ``root`` its syntax tree."""

    text: str
    root: tuple[Any, ...]

    def verdict(self, facts: Facts) -> Verdict:
        """Return the result for ``facts``."""
        clauses: list[Clause] = []
        return Verdict(_evaluate(self.root, facts, clauses) is True, tuple(clauses))

    @property
    def names(self) -> frozenset[str]:
        """Names of the facts that the check uses."""
        return frozenset(_fact_names(self.root))


def read_check(text: str) -> Check:
    """Parse ``text``. Raises RequestError with the mistake and, if possible, a correction."""
    if len(text) > MOST_CHARACTERS:
        raise RequestError(f"a check has at most {MOST_CHARACTERS} characters, this one has {len(text):,}")
    parser = _Parser(text)
    root = parser.parse()
    if parser.next_word is not None:
        raise parser.error_at("expected the end, or and, or")
    return Check(" ".join(text.split()), root)


class _Parser:
    """A recursive-descent parser over the tokens of one check."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    @property
    def next_word(self) -> str | None:
        """The next token as written; None at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def error_at(self, why: str) -> RequestError:
        """Return the error for a mistake at the next token."""
        where = "at the end" if self.next_word is None else f"at {self.next_word!r}"
        return RequestError(f"the check {self._text!r} cannot be read {where}: {why}")

    def parse(self) -> tuple[Any, ...]:
        """Parse clauses joined by "and" and "or"; "and" binds tighter."""
        return self._parse_chain("or", lambda: self._parse_chain("and", self._parse_term))

    def _parse_chain(self, word: str, part: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        parts = [part()]
        while self.next_word == word:
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else (word, *parts)

    def _parse_term(self) -> tuple[Any, ...]:
        if self.next_word == "not":
            self._at += 1
            return "not", self._parse_nested(self._parse_term)
        if self.next_word == "(" and self._parenthesis_has_check():
            self._at += 1
            inner = self._parse_nested(self.parse)
            self._expect(")")
            return inner
        if self.next_word == "alarm":
            self._at += 1
            kind, name = self._take("the alarm's name in quotes")
            if kind != "text":
                raise RequestError(
                    f'the check {self._text!r} names an alarm without quotes; write alarm "{name}"'
                )
            return "alarm", name.strip('"').lower()
        return self._parse_comparison()

    def _parenthesis_has_check(self) -> bool:
        """Return whether the parenthesis that opens here contains a comparison or an alarm, and not only a sum."""
        depth = 0
        for kind, word in self._tokens[self._at :]:
            depth += (word == "(") - (word == ")") if kind == "sign" else 0
            if (kind == "sign" and word in _COMPARE) or (kind == "name" and word in _KEYWORDS):
                return True
            if depth == 0:
                return False
        return False

    def _parse_comparison(self) -> tuple[Any, ...]:
        begin = self._at
        parts: list[Any] = [self._parse_sum()]
        signs = []
        while self.next_word in _COMPARE:
            signs.append(self.next_word)
            self._at += 1
            parts.append(self._parse_sum())
        if not signs:
            raise self.error_at("a comparison such as < 0.02 is missing")
        text = " ".join(w for _, w in self._tokens[begin : self._at])
        return "clause", text, tuple(parts), tuple(signs)

    def _parse_sum(self) -> tuple[Any, ...]:
        found = self._parse_product()
        while self.next_word in ("+", "-"):
            sign = self._take("")[1]
            found = ("sum", sign, found, self._parse_product())
        return found

    def _parse_product(self) -> tuple[Any, ...]:
        found = self._parse_atom()
        while self.next_word in ("*", "/"):
            sign = self._take("")[1]
            found = ("sum", sign, found, self._parse_atom())
        return found

    def _parse_atom(self) -> tuple[Any, ...]:
        kind, word = self._take("a number, a name or a text in quotes")
        if kind == "number":
            percent = self.next_word == "%"
            self._at += percent
            return "value", float(word) / (100 if percent else 1)
        if kind == "text":
            return "value", word.strip('"')
        if kind == "name" and word not in _KEYWORDS:
            if not is_fact(word):
                raise RequestError(
                    f"the check {self._text!r} names {word!r}, which no run has{_suggestion(word)}"
                )
            return "fact", word
        if word == "-":
            return "sum", "-", ("value", 0.0), self._parse_nested(self._parse_atom)
        if word == "(":
            inner = self._parse_nested(self._parse_sum)
            self._expect(")")
            return inner
        self._at -= 1
        raise self.error_at("expected a number, a name or a text in quotes")

    def _parse_nested(self, part: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise self.error_at(f"it is nested more than {MOST_NESTED} deep")
        found = part()
        self._depth -= 1
        return found

    def _take(self, what: str) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self.error_at(f"expected {what}")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self.next_word != sign:
            raise self.error_at(f"expected {sign!r}")
        self._at += 1


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise RequestError(f"the check {text!r} cannot be read at {text[at:].strip()[:20]!r}")
        at = found.end()
        number, quoted, name, sign = found.groups()
        if number is not None:
            yield "number", number
        elif quoted is not None:
            yield "text", f'"{quoted}"'
        elif name is not None:
            yield "name", name
        else:
            yield "sign", sign


def _suggestion(word: str) -> str:
    near = difflib.get_close_matches(word, known_names(), 1)
    return f"; did you mean {near[0]!r}?" if near else "; docs/lessons.md lists all names"


def _evaluate(node: tuple[Any, ...], facts: Facts, clauses: list[Clause]) -> bool | None:
    """Return whether a node holds for ``facts``, None if unknown; append each comparison to ``clauses``."""
    kind = node[0]
    if kind in ("and", "or"):
        parts = [_evaluate(part, facts, clauses) for part in node[1:]]
        decisive = kind == "or"
        return decisive if decisive in parts else None if None in parts else not decisive
    if kind == "not":
        own: list[Clause] = []
        inner = _evaluate(node[1], facts, own)
        result = None if inner is None else not inner
        # one comparison is shown with its "not", so that its sign tells what the check wants
        clauses += [Clause(f"not {own[0].text}", result, own[0].values)] if len(own) == 1 else own
        return result
    if kind == "alarm":
        raised = facts.get("alarms")
        holds = None if raised is None else node[1] in raised
        clauses.append(Clause(f'alarm "{node[1]}"', holds, {}))
        return holds
    _, text, parts, signs = node
    values = [_value_of(part, facts) for part in parts]
    pairs = [_compare(s, a, b) for s, a, b in zip(signs, values, values[1:], strict=False)]
    holds = None if None in pairs else all(pairs)
    used = {name: facts.get(name) for part in parts for name in _fact_names(part)}
    clauses.append(Clause(text, holds, used))
    return holds


def _compare(sign: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        return None
    if isinstance(a, str) != isinstance(b, str):
        return sign == "!="
    return _COMPARE[sign](a, b)


def _value_of(node: tuple[Any, ...], facts: Facts) -> Any:
    if node[0] == "value":
        return node[1]
    if node[0] == "fact":
        return facts.get(node[1])
    a, b = _value_of(node[2], facts), _value_of(node[3], facts)
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return None
    if node[1] == "/":
        return a / b if b else None
    return {"+": operator.add, "-": operator.sub, "*": operator.mul}[node[1]](a, b)


def _fact_names(node: tuple[Any, ...]) -> Iterable[str]:
    """Yield the names of facts in the order they are written."""
    if node[0] == "fact":
        yield node[1]
    for part in node[1:]:
        if isinstance(part, tuple):
            yield from _fact_names(part if part and isinstance(part[0], str) else ("all", *part))
