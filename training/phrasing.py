"""How clinicians say what the Tabular List titles say.

``spoken_forms("Displaced fracture of shaft of right humerus, initial encounter for closed fracture")`` gives "displaced
fracture of the shaft of the right humerus", "displaced right humerus shaft fracture" and "right humeral shaft displaced
fracture" rather than the title. The rules are about form only: what a code adds by being residual ("other", "elsewhere
classified") is not sayable, and such titles have no spoken form.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

Episode = Literal["initial", "subsequent", "sequela"]

_EPISODE = re.compile(r",? (?:(initial|subsequent) encounter\b.*|(sequela))$", re.IGNORECASE)
_RESIDUAL = re.compile(
    r"^other\b|, other\b|\b(?:of|with|from|by|due to) other\b|\bin (?:other )?(?:diseases|conditions) classified"
    r"|\bother (?:specified|specific|and unspecified|forms?|types?|parts?|sites?)\b|\bclassified (?:elsewhere|to)\b",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\s*\[[^]]*\]")
_PARENTHESES = re.compile(r"\s*\([^)]*\)")
# Words that say of something that it is not said, or that all is plain: nobody writes them.
_UNSAID = re.compile(
    r"\bunspecified part of\b"
    r"|\bunspecified (?:side|trimester|severity|cause|type|stage|origin|degree|duration|laterality|nature|site|depth)\b"
    r"|\bunspecified (?:eye|ear|limb|extremity|organism|injury|number of fetuses|episode of care)\b"
    r"|\bunspecified (?:as to|whether)\b[^,]*"
    r"|\b(?:unspecified|NOS|NEC|not otherwise specified|not elsewhere classified|not intractable|uncomplicated)\b"
    r"|\b(?:not (?:specified|stated|applicable)|including)\b[^,]*"
    r"|\bwithout (?:mention of )?(?:complications?|status migrainosus|esophagitis|bleeding|obstruction)\b",
    re.IGNORECASE,
)
_DANGLING = re.compile(r"(?:\s|,|\b(?:of|with|due to|in|by|and|or|for|to|at)$)+$")
_SIDED = re.compile(r"(right|left|bilateral)(?: (.+))?", re.IGNORECASE)
_SIDE_WORD = re.compile(r"\b(right|left|bilateral)\b ?", re.IGNORECASE)
_JOINED = re.compile(
    r"\b(?:with|without|due|following|in|and|or|from|by|to|during|for|at|affecting|complicating|involving)\b|,"
)
_FELT_IN = re.compile(r"^(pain|stiffness|swelling|lump|mass|weakness) in (?:the )?", re.IGNORECASE)
_MAX_SITE_WORDS = 5
# Parts of a limb or organ that a side is said of in the titles, where the site has been named before.
_CARRIERS = frozenset(
    "arm leg eye ear hand foot knee hip wrist ankle shoulder elbow side breast lung kidney limb limbs extremity".split()
)
# Words that may stand before the site: "displaced right humeral shaft fracture".
_QUALIFIERS = frozenset(
    """acute chronic subacute recurrent old open closed displaced nondisplaced comminuted oblique transverse spiral
    congenital acquired primary secondary traumatic pathological malignant benign simple greenstick torus""".split()
)
# Words after whose "of" no site follows, so that the phrase can't be turned round.
_NOT_TURNED = frozenset(
    """history absence presence lack loss status complication encounter disorder care risk type level use abuse state
    exposure effect underdosing poisoning observation carrier fear stage phase onset""".split()
)


class _Tables(NamedTuple):
    reworded: list[tuple[re.Pattern[str], list[str]]]
    adjectives: list[tuple[re.Pattern[str], str]]


@cache
def _load_tables() -> _Tables:
    data = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return _Tables(
        [(re.compile(pattern, re.IGNORECASE), said) for pattern, said in data["reworded"].items()],
        [(re.compile(rf"\b{noun}\b"), adjective) for noun, adjective in data["adjectives"].items()],
    )


def split_episode(title: str) -> tuple[str, Episode | None]:
    """Return a title without its words for the encounter, and which encounter they say.

    >>> split_episode("Contusion of left knee, sequela")
    ('Contusion of left knee', 'sequela')
    """
    match = _EPISODE.search(title)
    if match is None:
        return title, None
    said = (match[1] or match[2]).lower()
    episode: Episode = "initial" if said == "initial" else "subsequent" if said == "subsequent" else "sequela"
    return title[: match.start()], episode


def spoken_forms(title: str) -> tuple[str, ...]:
    """Return the ways in which a title is said in a note, plainest first; none for a residual class.

    The words for the encounter are dropped; a caller who writes of a later encounter says so elsewhere.

    >>> spoken_forms("Primary osteoarthritis, right hand")
    ('primary osteoarthritis of the right hand', 'right hand primary osteoarthritis')
    >>> spoken_forms("Other specified disorders of muscle")
    ()
    """
    plain = _plain(split_episode(title)[0])
    if not plain or _RESIDUAL.search(plain):
        return ()
    forms = [*_reworded(plain), *_arranged(plain)]
    return tuple(dict.fromkeys(lower_first(" ".join(form.split())) for form in forms if form))


def _plain(title: str) -> str:
    """Return a title without brackets, and without the words that say that something is not said."""
    text = _PARENTHESES.sub("", _BRACKETS.sub("", title))
    text = _UNSAID.sub("", text)
    text = re.sub(r"(?:\b(?:of|with|in|by))?\s*,[\s,]*", ", ", text)
    return " ".join(_DANGLING.sub("", text.strip(" ,")).split())


def _reworded(plain: str) -> list[str]:
    for pattern, templates in _load_tables().reworded:
        if match := pattern.fullmatch(plain):
            parts = [_site(part) for part in match.groups()]
            return [template.format(*parts[-template.count("{}") :]) for template in templates]
    return []


def _site(words: str) -> str:
    """Return a site with its side first: "upper lobe, right bronchus or lung" -> "right upper lobe lung"."""
    words = words.replace("bronchus or lung", "lung").replace("bronchus and lung", "lung")
    side = _SIDE_WORD.search(words)
    bare = _SIDE_WORD.sub("", words).replace(",", "").strip()
    return f"{side[1].lower()} {bare}".strip() if side else words.replace(",", "")


def _arranged(phrase: str) -> list[str]:
    head, *rest = [part.strip() for part in phrase.split(",")]
    if not rest:
        return [_with_articles(head), *_turned(head)]
    sided = _SIDED.fullmatch(rest[-1])
    if not sided:
        if len(rest) == 1 and not _JOINED.search(rest[0]) and len(rest[0].split()) <= 2:
            return [f"{rest[0]} {lower_first(head)}", phrase]
        return [phrase]
    if len(rest) > 1:
        return [phrase]
    side, part = sided[1].lower(), (sided[2] or "").strip()
    head = lower_first(head)
    named = " of " in head and (not part or part.split()[-1] in _CARRIERS)
    if named:
        before, _, site = head.rpartition(" of ")
        return [f"{before} of the {side} {site}", *_turned(f"{before} of {side} {site}")]
    if not part:
        return [f"{side} {head}"]
    plain = [f"{side} {head}"] if part.split()[-1] in _CARRIERS else []
    return [f"{head} of the {side} {part}", f"{side} {part} {head}", *plain]


def _turned(phrase: str) -> list[str]:
    """Return "B A" for "A of B", sides first, adjectives for bones and organs as a second form."""
    head, of, tail = _FELT_IN.sub(r"\1 of ", phrase).partition(" of ")
    if not of or _JOINED.search(tail) or _JOINED.search(head) or head.split()[-1].lower().rstrip("s") in _NOT_TURNED:
        return []
    parts = tail.split(" of ")
    words = " ".join(reversed([re.sub(r"^the ", "", part) for part in parts]))
    side = _SIDE_WORD.search(words)
    site = _SIDE_WORD.sub("", words).strip()
    if not site or len(words.split()) > _MAX_SITE_WORDS:
        return []
    said = f"{side[1].lower()} " if side else ""
    head = lower_first(head)
    *before, noun = head.split()
    adjective = next(
        (pattern.sub(word, site) for pattern, word in _load_tables().adjectives if pattern.search(site)), None
    )
    forms = [" ".join([said + site, *before, noun])]
    if _QUALIFIERS.issuperset(word.lower() for word in before):
        forms += [" ".join([*before, said + part, noun]) for part in (site, adjective) if part]
    return forms


def _with_articles(phrase: str) -> str:
    return re.sub(r"\bof (?=(?:right|left)\b)", "of the ", phrase)


def lower_first(phrase: str) -> str:
    """Return a phrase without the capital that only its place at the start of a title gave it."""
    first = phrase.split(" ", 1)[0]
    if first[1:].replace("-", "").islower() and "'" not in first:
        return phrase[0].lower() + phrase[1:]
    return phrase
