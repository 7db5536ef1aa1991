"""Sections of a clinical note, found by their headings."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What the headings of each section look like in lower case; the first section that matches counts. The styles are
# those of transcribed US notes (``HISTORY OF PRESENT ILLNESS:``, ``PMH:``, ``A/P:``). Words that also begin a problem
# ("Tobacco abuse:", "Allergic rhinitis:", "Mental status change:") count only where they are the whole heading.
_HEADINGS: dict[str, tuple[str, ...]] = {
    "social_history": (
        r"\bsocial (history|hx|habits)\b", r"\bsocial\b.*\bfamily\b", r"^social$", r"^shx?$", r"\bhabits\b",
        r"^personal history",
        r"^(alcohol|drug|substance|tobacco)( and (alcohol|drug|tobacco))?( abuse history| history| use)?$",
    ),
    "family_history": (r"\bfamily( [a-z]+)? (history|hx)\b", r"^fhx?$", r"^family$", r"\bfamilial history\b"),
    "past_surgical_history": (
        r"\bsurgical (history|hx)\b", r"^psh$", r"^surgeries$", r"\bprevious (operation|surger)",
    ),
    "history_of_present_illness": (
        r"\bpresent(ing)? (complaint|illness|injury|problem)", r"^hpi$", r"^subjective", r"^s$", r"^h(istory|x)$",
        r"^(brief|clinical|interval|relevant) history", r"^history (and|of (illness|injury))\b", r"^narrative",
        r"^current symptoms$",
    ),
    "review_of_systems": (r"\breview of (symptoms|systems)\b", r"^systems review\b", r"^ros\b"),
    "past_medical_history": (
        r"\b(birth|cardiac|developmental|medical|ocular|psychiatric) (history|hx)\b",
        r"\b(gynecologic|obstetric)(al)? history\b", r"^pmhx?\b", r"^past (history$|gyn|ob)", r"^illnesses$",
        r"\bproblem list\b", r"^(cardiac )?risk factors$",
    ),
    "allergies": (r"\b((drug|food|known|latex|medication) )*allerg(ies|y)\b",),
    "instructions": (
        r"\binstructions?\b", r"\beducation\b", r"^counsel", r"\bprecautions\b", r"\bconsent\b", r"^risks\b",
    ),
    "medications": (r"\bmedications?\b", r"^meds\b", r"\bprescriptions?\b", r"^drugs$"),
    "chief_complaint": (r"\bchief complaint", r"^cc$", r"^reason (for|of)\b", r"^complaints?$"),
    "diagnosis": (r"\bdiagnos[ei]s\b", r"^dx$", r"^axis [iv]+$", r"\bdiagnostic impression\b"),
    "indication": (r"\bindications?\b",),
    "physical_exam": (
        r"\bexam(ination)?s?\b", r"^pe$", r"^objective", r"^o$", r"^physical( findings| status)?$",
        r"^mental status$", r"^vitals?( signs)?\b", r"^vs$", r"^(behavioral )?observations$",
    ),
    "assessment": (
        r"\bassess?ments?\b", r"\bimpressions?\b", r"^a(/|&| and )?p$", r"^a$", r"\bconclusions?\b",
        r"\bformulation\b", r"\bopinion\b", r"^(clinical )?discussion$", r"^medical decision making$",
        r"^(final )?summary$",
    ),
    "laboratory": (
        r"\blab(s|orator(ies|y))?\b", r"\bdiagnostic (data|stud)", r"\bx-?rays?\b", r"\bradio(graph|log)",
        r"\bimaging\b", r"\bstudies\b", r"^e[ck]g\b",
    ),
    "findings": (
        r"\bfindings\b", r"\bpathology$", r"^interpretation", r"^results$", r"\bhemodynamics?\b", r"\bangiogra",
        r"\bventriculogram\b", r"\bcoronary arter(ies|y)$", r"^comparison$",
    ),
    "plan": (
        r"^plans?\b", r"\bplans?$", r"\brecommendations?\b", r"\bdisposition\b", r"^follow[- ]?up\b", r"^treatment",
        r"^p$", r"^management", r"\bgoals?\b",
    ),
    "hospital_course": (r"\bcourse\b",),
    "procedure": (
        r"\bprocedures?\b", r"\boperati(on|ons|ve)\b", r"\btechniques?\b", r"\bsurgery$", r"^anesthe(sia|tic)",
        r"^description", r"^details", r"^complications$", r"\bblood loss$", r"^ebl$", r"^drains?$", r"^specimens?$",
        r"\bfluids$", r"\btourniquet\b", r"^implants?\b", r"^components?$", r"^delivery note$",
    ),
}  # fmt: skip
# The names of the sections.
SECTIONS = frozenset(_HEADINGS)
_PATTERNS = {name: re.compile("|".join(patterns)) for name, patterns in _HEADINGS.items()}

# Headings of a part of a review of systems or an examination, one of these or several ("Ears, nose and throat:",
# "Cardiovascular system:"): the section around them goes on.
_BODY_PARTS = frozenset(
    part.strip()
    for part in """
    abdomen, abdominal, allergic, back, blood pressure, bp, breast, breasts, cardiac, cardiovascular, chest, cn,
    cns, constitutional, coord, coordination, cranial nerves, cv, cvs, dermatologic, ears, endocrine, enmt, ent,
    ext, external genitalia, extremities, extremity, eyes, face, gait, gastrointestinal, gen, general, general
    appearance, genitalia, genitourinary, gi, gu, gyn, head, heart, heent, hematologic, hematology, heme,
    immunologic, integument, integumentary, lower extremities, lung, lungs, lymph, lymph nodes, lymphatic,
    lymphatics, mental, motor, mouth, ms, msk, musculoskeletal, nasal, neck, neuro, neurologic, neurological,
    nose, oral, oral cavity, oropharynx, pelvic, pelvis, psych, psychiatric, psychiatry, psychological,
    pulmonary, pulse, rectal, reflexes, resp, respirations, respiratory, sensation, sensory, sinuses, skin,
    spine, temp, temperature, throat, upper extremities, urinary, urologic, urological, vascular, weight
    """.split(",")
)  # fmt: skip
_PART_JOINTS = re.compile(r",? and |[,/&]")

# Capitalised headings that stand on a line of their own without a colon; in capitals any may.
_ALONE = frozenset(
    """allergies, assessment, assessment and plan, chief complaint, current medications, family history,
    history of present illness, hospital course, impression, medications, past medical history, past surgical history,
    physical exam, physical examination, plan, review of systems, social history""".replace("\n    ", " ").split(", ")
)
# The note's own title or that of a service; "CONSULT FOR PROSTATE CANCER" names a finding.
_TITLE = re.compile(
    r"^(?!.*\bfor\b).*\b(center|clinic|consult(ation)?|department|encounter|evaluation|follow[- ]?up|management|note|"
    r"report|service|summary|unit|visit)s?\b"
)
# Under these headings the heading itself may be the finding ("Tobacco use: one pack a day").
_TELLING = frozenset({"social_history"})
_MAX_WORDS = 5
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")

_HEADING = re.compile(
    # At the start of a line, numbered or marked up, closed by a colon or a dash
    r"(?m)^[ \t#*]*(?:(?:\d{1,2}|[A-Z])[.)][ \t]*)?"
    r"(?P<line>[A-Z](?:[A-Za-z/&,'’()\- ]|\.(?! )){0,58}?)(?:[ \t*]*:|[ \t]+-[ \t])"
    # alone on a line
    r"|^[ \t#*]*(?P<bare>[A-Z][A-Za-z/&,'’()\- ]{2,58}?)[ \t*\r]*$"
    # in capitals inside a paragraph
    r"|(?<=[.;!?\s])(?P<capitals>[A-Z][A-Z/&\-]{1,20}(?: [A-Z&/\-]{1,20}){0,4}):"
    # behind a sentence inside a paragraph.
    r"|(?<=[.;] )(?P<inline>[A-Z][a-z]+(?: [A-Za-z]+){0,3}):"
)


class Section(NamedTuple):
    """A stretch of the note under one heading; offsets in characters, end exclusive.

    ``start`` is where the heading begins, ``body`` where the text after it begins. ``name`` is None before
    the first heading and under headings of no known kind.
    """

    start: int
    body: int
    end: int
    name: str | None


def find_sections(text: str) -> list[Section]:
    """Cut a note into sections that follow each other and cover every character."""
    cuts: list[tuple[int, int, str | None]] = [(0, 0, None)]
    for match in _HEADING.finditer(text):
        name = section_name(match[match.lastgroup or 0])
        if name != "" and _is_heading(text, match, name):
            cuts.append((match.start(), match.end(), name))
    if len(cuts) > 1 and cuts[1][0] == 0:
        del cuts[0]
    ends = [start for start, _, _ in cuts[1:]] + [len(text)]
    return [Section(start, body, end, name) for (start, body, name), end in zip(cuts, ends, strict=True)]


def find_heading(text: str, section: Section) -> tuple[int, int]:
    """Return where the words stand by which a section's heading is one, ``(start, start)`` where it may be a finding.

    A title ("PAIN MANAGEMENT CLINIC") counts whole and to the end of its line, a heading of known kind only in the
    words of that kind: the first in "Family history of stroke - mother".
    """
    start, name = section.start, section.name
    if name is None:
        line_end = text.find("\n", start)
        line = text[start : line_end if line_end >= 0 else len(text)]
        if section.body > start and line.isupper() and ":" not in line.rstrip(" :\r") and _TITLE.search(line.lower()):
            return start, start + len(line)
    elif name not in _TELLING:
        raw = text[start : section.body].lower()
        match = _PATTERNS[name].search(_plain(raw.strip("#*: \t\r\n")))
        if match and (offset := raw.find(match.group())) >= 0:
            return start + offset, start + offset + len(match.group())
    return start, start


@lru_cache(maxsize=4096)
def section_name(heading: str) -> str | None:
    """Return a heading's section name, ``""`` when it heads only a part of one, None when it is of no known kind."""
    plain = _plain(heading)
    if all(part.strip().removesuffix(" system") in _BODY_PARTS for part in _PART_JOINTS.split(plain)):
        return ""
    return next((name for name, pattern in _PATTERNS.items() if pattern.search(plain)), None)


def _is_heading(text: str, match: re.Match[str], name: str | None) -> bool:
    kind = match.lastgroup
    heading = match[kind or 0]
    if not heading.isupper():
        if kind == "bare":
            return _plain(heading) in _ALONE
        # A sentence with a colon is no heading; an unknown one is a problem or a finding as often as a heading.
        return name is not None and len(heading.split()) <= _MAX_WORDS
    if name is None and kind == "bare":
        # Capitals right below another line are as often an item of a list.
        return match.start() == 0 or _BLANK_LINE.search(text, max(0, match.start() - 4), match.start()) is not None
    return name is not None or len(heading) > 3


def _plain(heading: str) -> str:
    return " ".join(heading.lower().replace("’", "'").split()).strip(" .,-()")
