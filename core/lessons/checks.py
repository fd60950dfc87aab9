"""The language of a lesson's checks: `train_f < 0.02 and alarm "collapse"`, read by a parser of its own; nothing is ever evaluated as Python.

    check   := clause (("and" | "or") clause)*, "not" clause, parentheses
    clause  := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)+ | alarm "NAME"
    sum     := numbers, "texts" and names of facts with + - * / and parentheses; 2 % is 0.02

A fact that is not known yet makes a clause unknown, and a check that rests on it not fulfilled.
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

MOST = 500  # characters of a check
DEEPEST = 20  # parentheses within parentheses
Facts = Mapping[str, Any]  # "alarms" is a set of names in lower case, all others numbers, texts or None

_TOKEN = re.compile(r'\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?)|"([^"]*)"|([A-Za-z_][\w.]*)|(<=|>=|==|!=|[<>()+*/%-]))', re.I)  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_JOIN = ("and", "or", "not", "alarm")


@dataclass(frozen=True)
class Clause:
    """One comparison of a check as it stands: ``holds`` None where a fact is not known yet; ``values`` are those it rests on."""

    text: str
    holds: bool | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a check says of a run."""

    passed: bool
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Check:
    """A check that was read: ``text`` as it was written, ``root`` its tree."""

    text: str
    root: tuple[Any, ...]

    def verdict(self, facts: Facts) -> Verdict:
        """What it says of ``facts``."""
        clauses: list[Clause] = []
        return Verdict(_holds(self.root, facts, clauses) is True, tuple(clauses))

    @property
    def names(self) -> frozenset[str]:
        """The facts that it asks for."""
        return frozenset(_names(self.root))


def read_check(text: str) -> Check:
    """``text`` as a Check. Raises RequestError, saying what is wrong and what would be right."""
    if len(text) > MOST:
        raise RequestError(f"a check has at most {MOST} characters, this one has {len(text):,}")
    parser = _Parser(text)
    root = parser.joined()
    if parser.word is not None:
        raise parser.wrong("expected the end, or and, or")
    return Check(" ".join(text.split()), root)


# reading


class _Parser:
    """Recursive descent over the tokens of one check."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._deep = 0

    @property
    def word(self) -> str | None:
        """The token that comes next as it is written; None at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def wrong(self, why: str) -> RequestError:
        where = "at the end" if self.word is None else f"at {self.word!r}"
        return RequestError(f"the check {self._text!r} cannot be read {where}: {why}")

    def joined(self) -> tuple[Any, ...]:
        """``or`` binds less than ``and``."""
        return self._chain("or", lambda: self._chain("and", self._negated))

    def _chain(self, word: str, part: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        parts = [part()]
        while self.word == word:
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else (word, *parts)

    def _negated(self) -> tuple[Any, ...]:
        if self.word == "not":
            self._at += 1
            return "not", self._nested(self._negated)
        if self.word == "(" and self._closes_before_comparison():
            self._at += 1
            inner = self._nested(self.joined)
            self._expect(")")
            return inner
        if self.word == "alarm":
            self._at += 1
            kind, name = self._next("the alarm's name in quotes")
            if kind != "text":
                raise RequestError(
                    f'the check {self._text!r} names an alarm without quotes; write alarm "{name}"'
                )
            return "alarm", name.strip('"').lower()
        return self._clause()

    def _closes_before_comparison(self) -> bool:
        """Whether the parenthesis here holds a check, not a sum: a comparison or an alarm stands in it."""
        deep = 0
        for kind, word in self._tokens[self._at :]:
            deep += (word == "(") - (word == ")") if kind == "sign" else 0
            if (kind == "sign" and word in _COMPARE) or (kind == "name" and word in _JOIN):
                return True
            if deep == 0:
                return False
        return False

    def _clause(self) -> tuple[Any, ...]:
        begin = self._at
        parts: list[Any] = [self._sum()]
        signs = []
        while self.word in _COMPARE:
            signs.append(self.word)
            self._at += 1
            parts.append(self._sum())
        if not signs:
            raise self.wrong("a comparison such as < 0.02 is missing")
        text = " ".join(w for _, w in self._tokens[begin : self._at])
        return "clause", text.replace(" %", " %"), tuple(parts), tuple(signs)

    def _sum(self) -> tuple[Any, ...]:
        found = self._product()
        while self.word in ("+", "-"):
            sign = self._next("")[1]
            found = ("sum", sign, found, self._product())
        return found

    def _product(self) -> tuple[Any, ...]:
        found = self._atom()
        while self.word in ("*", "/"):
            sign = self._next("")[1]
            found = ("sum", sign, found, self._atom())
        return found

    def _atom(self) -> tuple[Any, ...]:
        kind, word = self._next("a number, a name or a text in quotes")
        if kind == "number":
            percent = self.word == "%"
            self._at += percent
            return "value", float(word) / (100 if percent else 1)
        if kind == "text":
            return "value", word.strip('"')
        if kind == "name" and word not in _JOIN:
            if not is_fact(word):
                raise RequestError(f"the check {self._text!r} names {word!r}, which no run has{_near(word)}")
            return "fact", word
        if word == "-":
            return "sum", "-", ("value", 0.0), self._nested(self._atom)
        if word == "(":
            inner = self._nested(self._sum)
            self._expect(")")
            return inner
        self._at -= 1
        raise self.wrong("expected a number, a name or a text in quotes")

    def _nested(self, part: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        self._deep += 1
        if self._deep > DEEPEST:
            raise self.wrong(f"it is nested more than {DEEPEST} deep")
        found = part()
        self._deep -= 1
        return found

    def _next(self, what: str) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self.wrong(f"expected {what}")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self.word != sign:
            raise self.wrong(f"expected {sign!r}")
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


def _near(word: str) -> str:
    near = difflib.get_close_matches(word, known_names(), 1)
    return f"; did you mean {near[0]!r}?" if near else "; docs/lessons.md lists all names"


# saying


def _holds(node: tuple[Any, ...], facts: Facts, clauses: list[Clause]) -> bool | None:
    kind = node[0]
    if kind in ("and", "or"):
        parts = [_holds(part, facts, clauses) for part in node[1:]]
        decisive = kind == "or"
        return decisive if decisive in parts else None if None in parts else not decisive
    if kind == "not":
        inner = _holds(node[1], facts, clauses)
        return None if inner is None else not inner
    if kind == "alarm":
        raised = facts.get("alarms")
        holds = None if raised is None else node[1] in raised
        clauses.append(Clause(f'alarm "{node[1]}"', holds, {}))
        return holds
    _, text, parts, signs = node
    values = [_value(part, facts) for part in parts]
    pairs = [_compare(s, a, b) for s, a, b in zip(signs, values, values[1:], strict=False)]
    holds = None if None in pairs else all(pairs)
    used = {name: facts.get(name) for part in parts for name in _names(part)}
    clauses.append(Clause(text, holds, used))
    return holds


def _compare(sign: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        return None
    if isinstance(a, str) != isinstance(b, str):
        return sign == "!="
    return _COMPARE[sign](a, b)


def _value(node: tuple[Any, ...], facts: Facts) -> Any:
    if node[0] == "value":
        return node[1]
    if node[0] == "fact":
        return facts.get(node[1])
    a, b = _value(node[2], facts), _value(node[3], facts)
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return None
    if node[1] == "/":
        return a / b if b else None
    return {"+": operator.add, "-": operator.sub, "*": operator.mul}[node[1]](a, b)


def _names(node: tuple[Any, ...]) -> Iterable[str]:
    """Facts in the order they are written."""
    if node[0] == "fact":
        yield node[1]
    for part in node[1:]:
        if isinstance(part, tuple):
            yield from _names(part if part and isinstance(part[0], str) else ("all", *part))
