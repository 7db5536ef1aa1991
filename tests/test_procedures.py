from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detect_icd10cm import cli
from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import RulesError
from detect_icd10cm.rules.chronicity import find_course
from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.rules.indications import link_procedures
from detect_icd10cm.rules.named import find_procedures
from detect_icd10cm.rules.patterns import CodeGroup, CodePattern, PatternIndex
from detect_icd10cm.rules.procedures import LICENCE_FILE, check_procedures, load_procedures, meets_rule
from detect_icd10cm.rules.schema import Procedure, looks_like_descriptor
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Indication, NamedProcedure

PROCEDURES = load_procedures()
RULES = [
    pytest.param(procedure, indication.id, rule.id, marked, expected, id=f"{procedure.id}-{rule.id}-{expected}-{i}")
    for procedure in PROCEDURES.values()
    for indication in procedure.indications
    for rule in indication.evidence
    for i, (marked, expected) in enumerate(rule.examples.each())
]

SMALL = """
id: "99999"
label: An invented procedure for tests
judgement: true
effective: {since: "2020", source: invented}
indications:
  - id: cough
    label: a cough
    judgement: true
    evidence:
      - id: any
        codes: ["R05-"]
        why: it coughs
        judgement: true
        reviewed: 2026-11-25
        examples: {met: ["{Cough|R05.9}."], not_met: ["No {cough|R05.9|absent}."]}
"""


def link(marked: str, codeset: CodeSet, procedure: str = "64580") -> dict[str, Indication]:
    text, mentions = parse_inline(marked, codeset)
    return {i.indication: i for i in link_procedures(mentions, (), text, {procedure: PROCEDURES[procedure]})}


def write(folder: Path, content: str, name: str = "99999.yaml") -> Path:
    (folder / name).write_text(content, "utf-8")
    return folder


@pytest.mark.parametrize(("procedure", "indication", "rule", "marked", "expected"), RULES)
def test_every_example_does_what_it_says(
    codeset: CodeSet, procedure: Procedure, indication: str, rule: str, marked: str, expected: bool
) -> None:
    assert meets_rule(procedure, indication, rule, marked, codeset) is expected


def test_packaged_procedures_hold_in_the_packaged_release(codeset: CodeSet) -> None:
    check_procedures(PROCEDURES, codeset)


@pytest.mark.parametrize(
    ("marked", "indication", "status"),
    [
        ("{ALS|G12.21} since May.", "neuromuscular", "supported"),
        ("Probable {ALS|G12.21|possible}.", "neuromuscular", "possible"),
        ("Not {ALS|G12.21|absent}.", "neuromuscular", "contradicted"),
        ("Mother had {ALS|G12.21|family}.", "neuromuscular", "not_found"),
        ("Risk of {paralysis|G83.9|hypothetical}.", "neuromuscular", "not_found"),
        ("{Guillain-Barre|G61.0|historical} in 1990, recovered.", "neuromuscular", "not_found"),
        ("No {ALS|G12.21|absent}, but {myopathy|G72.9}.", "neuromuscular", "supported"),
        ("Denies {muscle weakness|M62.81|absent|symptom}.", "neuromuscular", "not_found"),
        ("{MS|G35.D}.", "neuromuscular", "possible"),
        ("{Low back pain|M54.50}.", "pain", "possible"),
        ("Chronic {low back pain|M54.50}.", "pain", "supported"),
        ("Acute {low back pain|M54.50}.", "pain", "not_found"),
        ("Persistent {low back pain|M54.50}.", "pain", "supported"),
        ("{Low back pain|M54.50} for six months.", "pain", "supported"),
        ("{Low back pain|M54.50} for six days.", "pain", "possible"),
        ("Possible {CRPS|G90.50|possible}.", "pain", "possible"),
        ("No {CRPS|G90.50|absent}.", "pain", "contradicted"),
        ("{Cough|R05.9}.", "pain", "not_found"),
        ("{Orthopedic aftercare|Z47.89}.", "rehabilitation", "supported"),
    ],
)
def test_status(codeset: CodeSet, marked: str, indication: str, status: str) -> None:
    assert link(marked, codeset)[indication].status == status


def test_evidence_source_and_flags_are_told(codeset: CodeSet) -> None:
    one = link("{Nothing|R05.9}; {ALS|G12.21}.", codeset)["neuromuscular"]
    assert one.mentions == (1,)
    assert one.codes == ("G12.21",)
    assert "rule motor-neuron" in one.rationale
    assert [flag.id for flag in one.coverage_flags] == ["NCD 160.2", "NCD 160.12"]
    assert all("Never a coverage decision" in flag.summary for flag in one.coverage_flags)
    assert one.coverage_flags[0].points == "against"
    assert one.sources


def test_missing_documentation_is_listed(codeset: CodeSet) -> None:
    bare = link("{ALS|G12.21}.", codeset)["neuromuscular"]
    full = link(
        "{ALS|G12.21}, strength 3/5. EMG done. Physical therapy and an AFO were tried. The goal is walking.", codeset
    )["neuromuscular"]
    assert len(bare.missing) == 4
    assert full.missing == ()


def test_pain_alone_points_to_better_fitting_procedures(codeset: CodeSet) -> None:
    assert "64575" in link("{Chronic pain syndrome|G89.4}.", codeset)["pain"].rationale
    both = link("{Chronic pain syndrome|G89.4} and {ALS|G12.21}.", codeset)["pain"]
    assert "64575" not in both.rationale


def test_conditions_against_it_are_told(codeset: CodeSet) -> None:
    one = link("{ALS|G12.21}, {pacemaker|Z95.0}.", codeset)["neuromuscular"]
    assert len(one.against) == 1
    assert one.against[0].startswith("Z95.0")
    assert link("{ALS|G12.21}, no {pacemaker|Z95.0|absent}.", codeset)["neuromuscular"].against == ()


def test_a_users_folder_joins_and_replaces(tmp_path: Path) -> None:
    loaded = load_procedures(write(tmp_path, SMALL))
    assert set(loaded) == {*PROCEDURES, "99999"}
    assert loaded["99999"].label == "An invented procedure for tests"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("label: An", "labels: An", "labels"),
        ("id: any", "id: any\n        color: red", "color"),
        ("        judgement: true\n", "", "source"),
        ("        judgement: true\n", "        judgement: true\n        source: both\n", "source"),
        ("R05-", "R05--", "code pattern"),
        ('met: ["{Cough|R05.9}."]', "met: []", "met"),
        ("reviewed: 2026-11-25", "reviewed: lately", "reviewed"),
        ('id: "99999"', "id: 99999", "id"),
        ("An invented procedure for tests", "'Removal of thing; each additional thing'", "CPT descriptor"),
        ("judgement: true", "judgement: [", "YAML"),
    ],
)
def test_bad_files_are_errors(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(RulesError, match=said):
        load_procedures(write(tmp_path, SMALL.replace(old, new)))


def test_a_licence_file_allows_a_licensed_wording(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace("An invented procedure for tests", "'Removal of thing; each additional thing'"))
    (tmp_path / LICENCE_FILE).write_text("licence 123", "utf-8")
    assert "99999" in load_procedures(tmp_path)


def test_two_files_of_one_procedure_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    with pytest.raises(RulesError, match="second time"):
        load_procedures(write(tmp_path, SMALL, "other.yaml"))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="no folder"):
        load_procedures(tmp_path / "none")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("R05-", "R05.77", "matches no code"),
        ("{Cough|R05.9}", "{Pain|R52}", "is not met"),
        ("No {cough|R05.9|absent}", "A {cough|R05.9}", "is met"),
        ("{Cough|R05.9}", "{Cough|R05.77}", "does not have"),
    ],
)
def test_check_names_what_fails(codeset: CodeSet, tmp_path: Path, old: str, new: str, said: str) -> None:
    loaded = load_procedures(write(tmp_path, SMALL.replace(old, new)))
    with pytest.raises(RulesError, match=said):
        check_procedures({"99999": loaded["99999"]}, codeset)


@pytest.mark.parametrize(
    ("pattern", "code", "matches"),
    [
        ("G35.D", "G35.D", True),
        ("G12.2", "G12.21", False),
        ("G12.2-", "G12.21", True),
        ("G12.2*", "G12.21", True),
        ("G12-", "G12.21", True),
        ("G12-", "G13.1", False),
        ("G80-G83", "G81.94", True),
        ("G80-G83", "G84", False),
        ("A00-B99", "B02.9", True),
        ("A00-B99", "C00.0", False),
        ("C43-C44", "C4A.9", True),
        ("S44*S", "S44.00XS", True),
        ("S44*S", "S44.00XA", False),
        ("S00-S99*D", "S52.91XD", True),
        ("S00-S99*D", "S52.91XA", False),
    ],
)
def test_code_patterns(pattern: str, code: str, matches: bool) -> None:
    parsed = CodePattern.parse(pattern)
    assert parsed.matches(code) is matches
    assert bool(list(PatternIndex([(parsed, pattern)]).find(code))) is matches


def test_group_has_the_codes_of_its_patterns() -> None:
    group = CodeGroup.parse("G12.2-", "S44*S")
    for _ in range(2):  # the second time it remembers
        assert [group.matches(code) for code in ("G12.21", "S44.00XS", "S44.00XA", "G35")] == [True, True, False, False]
    assert not CodeGroup().matches("G35")
    copy = pickle.loads(pickle.dumps(group))
    assert copy == group
    assert copy.matches("G12.21")


@pytest.mark.parametrize("text", ["G1", "G12..2", "G83-G80", "g35", "", "G80-G83-", "X*aa"])
def test_bad_code_patterns_are_errors(text: str) -> None:
    with pytest.raises(RulesError, match="code pattern"):
        CodePattern.parse(text)


def test_packaged_labels_are_our_own_words() -> None:
    for procedure in PROCEDURES.values():
        assert not looks_like_descriptor(procedure.label)


def named(text: str, codeset: CodeSet, marked: str = "") -> dict[str, NamedProcedure]:
    plain, mentions = parse_inline(f"{text} {marked}".strip(), codeset)
    indications = link_procedures(mentions, (), plain, PROCEDURES)
    found = find_procedures(Document(plain), indications, PROCEDURES)
    assert all(plain[one.start : one.end] for one in found)
    return {one.procedure: one for one in found}


@pytest.mark.parametrize(
    ("text", "procedure", "status"),
    [
        ("The neuromuscular stimulator was placed on Monday.", "64580", "done"),
        ("Status post neuromuscular stimulator.", "64580", "done"),
        ("PROCEDURE: Neuromuscular electrode, left leg.", "64580", "done"),
        ("She will undergo placement of a neuromuscular stimulator.", "64580", "planned"),
        ("PLAN: Neuromuscular stimulator.", "64580", "planned"),
        ("He is scheduled for 64580.", "64580", "planned"),
        ("We discussed a neuromuscular stimulator.", "64580", "considered"),
        ("She may benefit from implanted functional electrical stimulation.", "64580", "considered"),
        ("He declined the neuromuscular stimulator.", "64580", "refused"),
        ("The patient refuses an intramuscular electrode.", "64580", "refused"),
        ("Removal of the neuromuscular stimulator for infection.", "64580", "removed"),
        ("The muscle stimulator was explanted.", "64580", "removed"),
        ("No neuromuscular stimulator.", "64580", None),
        ("Denies a neuromuscular stimulator.", "64580", None),
        ("Nothing of the kind.", "64580", None),
        ("Underwent total knee replacement in May.", "27447", "done"),
        ("TKA is planned.", "27447", "planned"),
        ("Spinal cord stimulator trial was performed.", "63650", "done"),
        ("Discussed hypoglossal nerve stimulation.", "64582", "considered"),
        ("PTNS sessions were scheduled.", "64566", "planned"),
        ("Declined sacral neuromodulation.", "64581", "refused"),
    ],
)
def test_procedure_named_in_the_note(codeset: CodeSet, text: str, procedure: str, status: str | None) -> None:
    found = named(text, codeset).get(procedure)
    assert (found.status if found else None) == status


def test_the_strongest_of_several_namings_counts(codeset: CodeSet) -> None:
    text = "A neuromuscular stimulator was discussed. The neuromuscular stimulator was placed on Monday."
    assert named(text, codeset)["64580"].status == "done"


def test_necessity_is_answered_by_findings(codeset: CodeSet) -> None:
    text = "We plan a neuromuscular stimulator."
    bare = named(text, codeset)["64580"]
    assert bare.supported_by == ()
    assert bare.missing[0].startswith("a finding of the patient")
    borne_out = named(text, codeset, "{Left foot drop|M21.372}.")["64580"]
    assert borne_out.supported_by == ("neuromuscular",)
    assert any("strength" in what for what in borne_out.missing)


@pytest.mark.parametrize(
    ("text", "modifiers"),
    [
        ("Neuromuscular stimulator placed on the left.", {"LT"}),
        ("Neuromuscular stimulator placed on the right.", {"RT"}),
        ("Neuromuscular stimulator placed left and right.", {"LT", "RT"}),
        ("Neuromuscular stimulator placed. Pain on the left.", set()),
        ("Neuromuscular stimulator placed as a staged procedure.", {"58"}),
        ("Neuromuscular stimulator placed. First assistant: Dr. B.", {"80"}),
        ("Neuromuscular stimulator placed; resident performed the closure.", {"GC"}),
    ],
)
def test_modifiers_that_the_words_point_to(codeset: CodeSet, text: str, modifiers: set[str]) -> None:
    assert set(named(text, codeset)["64580"].modifiers) == modifiers


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("{Trigeminal neuralgia|G50.0}.", {"64553"}),
        ("{CRPS of the right arm|G90.511}.", {"64555", "64575", "64596", "64597", "64590", "63650", "63655", "63685"}),
        ("{Postlaminectomy syndrome|M96.1}.", {"63650", "63655", "63685"}),
        ("{Urge incontinence|N39.41}.", {"64561", "64566", "64581", "64590"}),
        ("{Fecal incontinence|R15.9}.", {"64561", "64581"}),
        ("{Intractable focal epilepsy|G40.219}.", {"64568"}),
        ("{Gastroparesis|K31.84}.", {"64590"}),
        ("{Lead has moved|T85.121A}.", {"64585"}),
        ("{Generator failed|T85.113A}.", {"64590", "64595", "63685"}),
        ("{Obstructive sleep apnea|G47.33}, failed CPAP.", {"64582"}),
        ("{Right knee osteoarthritis|M17.11}.", {"27447"}),
        ("{Asthma|J45.909}.", set()),
    ],
)
def test_which_procedures_findings_support(codeset: CodeSet, marked: str, expected: set[str]) -> None:
    text, mentions = parse_inline(marked, codeset)
    linked = link_procedures(mentions, (), text, PROCEDURES)
    assert {one.procedure for one in linked if one.status == "supported"} - {"64580"} == expected


def test_the_better_fitting_sibling_is_named(codeset: CodeSet) -> None:
    text, mentions = parse_inline("{CRPS of the right arm|G90.511}.", codeset)
    linked = link_procedures(mentions, (), text, PROCEDURES)
    pain = next(one for one in linked if (one.procedure, one.indication) == ("64580", "pain"))
    assert "The findings support: 64555" in pain.rationale
    assert "64575" in pain.rationale


def test_only_64580_tells_what_was_not_found(codeset: CodeSet) -> None:
    assert {one.procedure for one in link_procedures((), (), "", PROCEDURES)} == {"64580"}


@pytest.mark.parametrize(
    ("procedure", "flag", "points"),
    [
        ("64580", "NCD 160.2", "against"),
        ("64580", "NCD 160.7", "for"),
        ("64580", "NCD 160.7.1", "neither"),
        ("64580", "NCD 160.12", "neither"),
        ("64575", "NCD 160.7", "for"),
        ("64568", "NCD 160.18", "for"),
        ("64568", "NCD 160.24", "neither"),
        ("64581", "NCD 230.18", "for"),
    ],
)
def test_coverage_flags(procedure: str, flag: str, points: str) -> None:
    found = {one.id: one for one in PROCEDURES[procedure].coverage_flags}
    assert found[flag].points == points
    assert "Never a coverage decision" in found[flag].summary
    assert found[flag].source


def test_the_policy_on_motor_disorders_names_multiple_sclerosis(codeset: CodeSet) -> None:
    one = link("{Multiple sclerosis|G35.D} with {leg weakness|R29.898}.", codeset)["neuromuscular"]
    assert "multiple sclerosis" in one.coverage_flags[0].summary


@pytest.mark.parametrize(
    ("id", "value"),
    [
        ("status", "A, active"),
        ("global-period", "090"),
        ("bilateral", "0"),
        ("assistant-surgeon", "2"),
        ("co-surgeons", "0"),
        ("team-surgery", "0"),
        ("multiple-procedures", "2"),
        ("units-a-day", "2"),
        ("betos", "P6C"),
        ("type-of-service", "2"),
    ],
)
def test_public_record_of_64580(id: str, value: str) -> None:
    fact = next(one for one in PROCEDURES["64580"].record if one.id == id)
    assert fact.value.startswith(value)
    assert fact.source


def test_64580_has_its_modifiers_and_steps() -> None:
    procedure = PROCEDURES["64580"]
    assert [one.code for one in procedure.modifiers] == ["51", "58", "59", "80", "82", "GC", "LT", "RT", "XU"]
    assert procedure.steps is not None
    assert len(procedure.steps.items) == 10
    assert procedure.effective is not None
    assert procedure.effective.changes == ("2012", "2022")


def test_siblings_are_loaded_procedures() -> None:
    for procedure in PROCEDURES.values():
        assert {sibling.id for sibling in procedure.siblings} <= set(PROCEDURES)


@pytest.mark.parametrize(
    ("text", "course"),
    [
        ("Chronic [pain].", "chronic"),
        ("[Pain], chronic.", "chronic"),
        ("Long-standing lumbar [pain].", "chronic"),
        ("[Pain] for six months.", "chronic"),
        ("[Pain] for 3 months.", "chronic"),
        ("[Pain] for two months.", None),
        ("[Pain] over the past year.", "chronic"),
        ("A two-year history of [pain].", "chronic"),
        ("[Pain] started 5 years ago.", "chronic"),
        ("[Pain] since 2004.", "chronic"),
        ("A 3 year old with [pain].", None),
        ("Acute [pain].", "acute"),
        ("Acute on chronic [pain].", "chronic"),
        ("[Pain]. Chronic cough.", None),
        ("[Pain].", None),
        ("Intractable [pain].", None),
    ],
)
def test_course_of_a_pain(text: str, course: str | None) -> None:
    start = text.index("[")
    end = text.index("]") - 1
    assert find_course(text.replace("[", "").replace("]", ""), start, end) == course


def test_check_and_show_from_the_command_line(tmp_path: Path) -> None:
    runner = CliRunner()
    write(tmp_path, SMALL)
    checked = runner.invoke(cli.app, ["rules", "check", str(tmp_path / "99999.yaml")])
    assert (checked.exit_code, "1 procedure(s) checked: 99999" in checked.output) == (0, True)
    shown = runner.invoke(cli.app, ["rules", "show", "99999", "--rules", str(tmp_path)])
    assert "An invented procedure for tests" in shown.output
    assert "it coughs" in shown.output
    listed = runner.invoke(cli.app, ["rules", "list"])
    assert "64580" in listed.output
    failed = runner.invoke(cli.app, ["rules", "show", "12345"])
    assert isinstance(failed.exception, RulesError)
