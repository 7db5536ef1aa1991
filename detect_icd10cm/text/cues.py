"""Cue phrases: what ``assertion_cues.yaml`` says, compiled for finding them token by token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from detect_icd10cm.errors import RulesError
from detect_icd10cm.packaged import packaged_file, read_yaml
from detect_icd10cm.text.tokens import tokenize
from detect_icd10cm.types import Assertion

EndKind = Literal["strong", "subject", "clause", "member"]

_FILE = "assertion_cues.yaml"
_KEYS = {"words", "groups", "pseudo", "ends", "list_words", "over_when_history", "history_codes"}
_GROUP_KEYS = {"says", "side", "reach", "phrases"}
_GROUP_OPTIONS = {"list_reach", "ends", "closing", "only_curable", "only_past", "except_codes"}
_HISTORIES: tuple[Assertion, ...] = ("historical", "family")
_SIDES = {"before": ("before",), "after": ("after",), "both": ("before", "after"), "within": ("within",)}
_END_KINDS: tuple[EndKind, ...] = get_args(EndKind)

_CLOSING = frozenset(".,;\n")
# A copula stays free after its phrase: "is probable" behind a finding is "probable" in front of the next one.
_COPULAS = frozenset({"are", "is", "was", "were"})
_NOTATION = frozenset("|<>")
_NAME = re.compile(r"<(\w+)>")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


@dataclass(frozen=True, slots=True)
class Force:
    """What a cue says of a finding on one side of it, and how far, in tokens; see the head of the YAML file."""

    assertion: Assertion
    reach: int
    list_reach: int
    ended_by: frozenset[EndKind]
    closing: bool = False
    only_curable: bool = False
    only_past: bool = False
    except_codes: tuple[str, ...] = ()


class Cue(NamedTuple):
    """A phrase found in a sentence; ``start`` and ``end`` are tokens of it, ``end`` exclusive.

    ``before`` is its force on what it stands before, ``after`` on what it stands after, ``within`` on what it is part
    of; an end has none.
    """

    start: int
    end: int
    text: str
    before: Force | None
    after: Force | None
    end_kind: EndKind | None
    within: Force | None = None


@dataclass(slots=True)
class _Phrase:
    words: tuple[str, ...]
    before: Force | None = None
    after: Force | None = None
    within: Force | None = None
    end_kind: EndKind | None = None

    @property
    def is_pseudo(self) -> bool:
        return not (self.before or self.after or self.within or self.end_kind)

    def counts(self, words: Sequence[str], start: int, taken: Mapping[int, int]) -> bool:
        """Say whether the phrase counts at a place; see ``CueBook.find`` for ``taken``."""
        end = start + len(self.words)
        finding = taken.get(start)
        if finding is not None and taken.get(end - 1) == finding and (self.within or finding < start):
            return self.within is not None
        if self.end_kind == "member":
            return start - 1 in taken  # right behind a finding
        if self.is_pseudo:
            return not any(position in taken for position in range(start, end))
        return bool(self.before or self.end_kind or (self.after and self.answers(words, end)))

    def answers(self, words: Sequence[str], end: int) -> bool:
        """Say whether the phrase may speak of what stands before it: "Fever: no." but not "Abdomen: no masses"."""
        return self.after is None or not self.after.closing or end >= len(words) or words[end] in _CLOSING


class CueBook:
    """All cue phrases.

    Attributes:
        longest_reach: The farthest that any cue reaches, in tokens.
        list_words: Words that open or go on with a list behind a short cue.
        over_when_history: Code prefixes of conditions that "history of" says are over.
        history_codes: Code prefixes that are a history in themselves, by assertion.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._phrases: dict[tuple[str, ...], _Phrase] = {}
        self._names: Mapping[str, Sequence[str]] = data["words"]
        for group in data["groups"]:
            self._add_group(group)
        for kind in _END_KINDS:
            for phrase in self._new(data["ends"][kind]):
                phrase.end_kind = kind
        for _ in self._new(data["pseudo"]):
            pass  # without force or end, a phrase only hides the cues in it
        sizes: dict[str, set[int]] = {}
        for words in self._phrases:
            sizes.setdefault(words[0], set()).add(len(words))
        self._sizes = {first: sorted(counts, reverse=True) for first, counts in sizes.items()}
        forces = [f for phrase in self._phrases.values() for f in (phrase.before, phrase.after) if f]
        self.longest_reach = max(max(force.reach, force.list_reach) for force in forces)
        self.list_words = frozenset(data["list_words"])
        self.over_when_history = tuple(prefix for part in data["over_when_history"].values() for prefix in part)
        self.history_codes = {said: tuple(data["history_codes"][said]) for said in _HISTORIES}

    @classmethod
    @cache
    def load(cls) -> CueBook:
        """Load the packaged cues.

        Raises:
            RulesError: If a key is unknown or missing, or a phrase stands twice.
        """
        data = read_yaml(packaged_file("text", _FILE))
        if not isinstance(data, dict) or set(data) != _KEYS:
            raise RulesError(f"{_FILE}: found keys {sorted(data)}, expected {sorted(_KEYS)}")
        return cls(data)

    def find(self, words: tuple[str, ...], taken: Mapping[int, int] = MappingProxyType({})) -> list[Cue]:
        """Return the cues and ends in a sentence, in order; the longest phrase wins.

        Args:
            words: The sentence's words as ``normalize_words`` gives them.
            taken: For each word that is part of a finding, the first word of that finding. A pseudo phrase that
                reaches into one hides nothing, and inside one ("migraine without aura") stands no cue; at its head
                ("history of stroke and pneumonia") one does.
        """
        cues: list[Cue] = []
        i = 0
        while i < len(words):
            phrase = self._longest(words, i, taken) if words[i] in self._sizes else None
            if phrase and not phrase.is_pseudo:
                end = i + len(phrase.words)
                after = phrase.after if phrase.answers(words, end) else None
                text = " ".join(phrase.words)
                cues.append(Cue(i, end, text, phrase.before, after, phrase.end_kind, phrase.within))
            i += len(phrase.words) if phrase and phrase.words[0] not in _COPULAS else 1
        return cues

    def _longest(self, words: tuple[str, ...], i: int, taken: Mapping[int, int]) -> _Phrase | None:
        for size in self._sizes[words[i]]:
            phrase = self._phrases.get(words[i : i + size])
            if phrase and phrase.counts(words, i, taken):
                return phrase
        return None

    def _add_group(self, group: Mapping[str, Any]) -> None:
        found = set(group)
        if not _GROUP_KEYS <= found <= _GROUP_KEYS | _GROUP_OPTIONS or group["side"] not in _SIDES:
            raise RulesError(f"{_FILE}: found a group with keys {sorted(found)} and side {group.get('side')!r}")
        force = Force(
            group["says"],
            group["reach"],
            group.get("list_reach", group["reach"]),
            frozenset(group.get("ends", _END_KINDS)),
            group.get("closing", False),
            group.get("only_curable", False),
            group.get("only_past", False),
            tuple(group.get("except_codes", ())),
        )
        for words in self._expanded(group["phrases"]):
            phrase = self._phrases.setdefault(words, _Phrase(words))
            for side in _SIDES[group["side"]]:
                if getattr(phrase, side):
                    raise RulesError(f"{_FILE}: {' '.join(words)!r} stands twice {side} a finding; keep one")
                setattr(phrase, side, force)

    def _new(self, phrases: Iterable[str]) -> Iterator[_Phrase]:
        for words in self._expanded(phrases):
            if words in self._phrases:
                raise RulesError(f"{_FILE}: {' '.join(words)!r} stands twice; keep it under one key")
            self._phrases[words] = phrase = _Phrase(words)
            yield phrase

    def _expanded(self, phrases: Iterable[str]) -> Iterator[tuple[str, ...]]:
        for phrase in phrases:
            if not isinstance(phrase, str):
                raise RulesError(f"{_FILE}: found the phrase {phrase!r}; quote yes, no, on, off and numbers")
            for choice in expand(phrase, self._names):
                if not choice.strip() or not _NOTATION.isdisjoint(choice):
                    raise RulesError(f"{_FILE}: {phrase!r} gives {choice!r}; choices don't nest, and none is empty")
                yield normalize_words(token.text for token in tokenize(choice))


def expand(phrase: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the phrases that one with choices stands for.

    >>> expand("(is|) <colour> paint", {"colour": ["red", "blue"]})
    ['is red paint', 'is blue paint', ' red paint', ' blue paint']
    """
    in_choices = _CHOICE.sub(lambda m: _NAME.sub(lambda name: "|".join(names[name[1]]), m.group()), phrase)
    plain = _NAME.sub(lambda name: f"({'|'.join(names[name[1]])})", in_choices)
    parts = _CHOICE.split(plain)  # text and choices take turns
    return ["".join(choice) for choice in product(*([p] if i % 2 == 0 else p.split("|") for i, p in enumerate(parts)))]


def normalize_words(words: Iterable[str]) -> tuple[str, ...]:
    """Return words in the form that cues are written in: lower case, straight apostrophe."""
    return tuple(word.lower().replace("’", "'") for word in words)
