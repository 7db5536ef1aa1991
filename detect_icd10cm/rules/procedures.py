"""The procedures of the package and of a user's folder: read, checked, looked up.

A procedure is one YAML file in ``procedures/``: numbers and words of our own, never a CPT descriptor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import RulesError
from detect_icd10cm.packaged import read_yaml
from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.rules.indications import link_procedures
from detect_icd10cm.rules.patterns import CodePattern, PatternIndex
from detect_icd10cm.rules.schema import Procedure, looks_like_descriptor

# A folder with this file, which says under what licence, may hold wording that reads like the AMA's.
LICENCE_FILE = "CPT-LICENSE.txt"


def load_procedures(folder: Path | None = None) -> Mapping[str, Procedure]:
    """Return the packaged procedures by number, joined or replaced by those of a folder of YAML files.

    Raises:
        RulesError: If a file is not as expected, or two files of the folder hold the same procedure.
    """
    packaged = dict(_load_packaged())
    if folder is None:
        return packaged
    if not folder.is_dir():
        raise RulesError(f"found no folder {folder}, expected one of procedure files (*.yaml)")
    return packaged | _load_folder(folder)


def find_procedure(number: str, folder: Path | None = None) -> Procedure:
    """Return one of the procedures that ``load_procedures`` returns.

    Raises:
        RulesError: If there is none of this number.
    """
    procedures = load_procedures(folder)
    if number not in procedures:
        raise RulesError(f"found no procedure {number}, expected one of: {', '.join(procedures)}")
    return procedures[number]


def read_procedures(path: Path) -> Mapping[str, Procedure]:
    """Return the procedures of one file, or of a folder of them, by number.

    Raises:
        RulesError: If a file is not as expected, or there is none.
    """
    if path.is_dir():
        found = _load_folder(path)
    elif path.is_file():
        procedure = read_procedure(path, licensed=(path.parent / LICENCE_FILE).is_file())
        found = {procedure.id: procedure}
    else:
        found = {}
    if not found:
        raise RulesError(f"found no procedure file at {path}, expected a YAML file or a folder of them")
    return found


def read_procedure(file: Traversable, *, licensed: bool = False) -> Procedure:
    """Read one procedure file.

    Args:
        file: A YAML file.
        licensed: Whether wording like that of CPT descriptors is allowed.

    Raises:
        RulesError: If it is not as ``schema.Procedure`` asks, naming each place, or reads like a CPT descriptor.
    """
    content = read_yaml(file)
    try:
        procedure = Procedure.model_validate(content)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'top level'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise RulesError(f"{file.name}: {places}") from error
    labels = (procedure.label, *procedure.names, *(indication.label for indication in procedure.indications))
    if not licensed and any(map(looks_like_descriptor, labels)):
        raise RulesError(
            f"{file.name}: a label reads like a CPT descriptor, which is copyright of the AMA; say it in your own "
            f"words, or put a {LICENCE_FILE} that names your licence into the folder"
        )
    return procedure


def check_procedures(procedures: Mapping[str, Procedure], codeset: CodeSet) -> None:
    """Hold procedures against a release: every code pattern matches a code, and every example does what it says.

    It goes through all codes, so it is apart from loading.

    Raises:
        RulesError: Naming all patterns and examples that fail.
    """
    problems = [*_find_unmatched(procedures, codeset), *_find_failing_examples(procedures, codeset)]
    if problems:
        raise RulesError(f"release {codeset.release}: {'; '.join(problems)}; correct them")


def _patterns_of(procedure: Procedure) -> Iterator[tuple[str, CodePattern]]:
    for indication in procedure.indications:
        for rule in indication.evidence:
            for pattern in (*rule.codes, *rule.needs, *rule.unless):
                yield f"rule {indication.id}.{rule.id}", pattern
    for blocker in procedure.blockers:
        for pattern in blocker.codes:
            yield f"blocker {blocker.id}", pattern
    for flag in procedure.coverage_flags:
        for pattern in flag.codes:
            yield f"coverage flag {flag.id}", pattern


def _find_unmatched(procedures: Mapping[str, Procedure], codeset: CodeSet) -> Iterator[str]:
    unmatched = {
        (procedure.id, place, pattern)
        for procedure in procedures.values()
        for place, pattern in _patterns_of(procedure)
    }
    index = PatternIndex((entry[2], entry) for entry in unmatched)
    for code in codeset:
        unmatched.difference_update(index.find(code))
    for number, place, pattern in sorted(unmatched, key=lambda entry: (*entry[:2], entry[2].text)):
        yield f"{number}, {place}: pattern {pattern.text} matches no code"


def _find_failing_examples(procedures: Mapping[str, Procedure], codeset: CodeSet) -> Iterator[str]:
    for procedure in procedures.values():
        for indication in procedure.indications:
            for rule in indication.evidence:
                place = f"{procedure.id}, rule {indication.id}.{rule.id}"
                for marked, expected in rule.examples.each():
                    try:
                        met = meets_rule(procedure, indication.id, rule.id, marked, codeset)
                    except RulesError as error:
                        yield f"{place}, example: {error}"
                        continue
                    if met is not expected:
                        kind, outcome = ("met", "not met") if expected else ("not_met", "met")
                        yield f"{place}: {kind} example {marked!r} is {outcome}"


def meets_rule(procedure: Procedure, indication_id: str, rule_id: str, marked: str, codeset: CodeSet) -> bool:
    """Return whether a note, its findings written inline, meets an evidence rule by itself.

    A rule that suggests is met where the indication is possible, any other only where it is supported.

    Raises:
        RulesError: If the note is not written as ``examples.parse_inline`` reads it, or names an unknown code.
    """
    indication = next(one for one in procedure.indications if one.id == indication_id)
    rule = next(one for one in indication.evidence if one.id == rule_id)
    alone = indication.model_copy(update={"evidence": (rule,), "alone": None})
    changes = {"indications": (alone,), "coverage_flags": (), "report": "always"}
    only = Procedure.model_construct(**{**dict(procedure), **changes})
    text, mentions = parse_inline(marked, codeset)
    (found,) = link_procedures(mentions, (), text, {procedure.id: only})
    return found.status == ("possible" if rule.certainty == "suggests" else "supported")


def _load_folder(folder: Traversable) -> dict[str, Procedure]:
    procedures: dict[str, Procedure] = {}
    files = sorted((file for file in folder.iterdir() if file.name.endswith((".yaml", ".yml"))), key=lambda f: f.name)
    licensed = (folder / LICENCE_FILE).is_file()
    for file in files:
        procedure = read_procedure(file, licensed=licensed)
        if procedure.id in procedures:
            raise RulesError(f"{file.name}: found procedure {procedure.id} a second time in this folder, expected once")
        procedures[procedure.id] = procedure
    return procedures


@cache
def _load_packaged() -> Mapping[str, Procedure]:
    folder = resources.files("detect_icd10cm") / "rules" / "procedures"
    return MappingProxyType(_load_folder(folder))
