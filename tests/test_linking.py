from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from benchmarks.link_scores import count
from detect_icd10cm import Detector
from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.importing import import_release
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.codes.lexicon import SOURCES
from detect_icd10cm.codes.linking import load_tables
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.notes.gold import read_gold
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import KINDS, Mention, Note, NoteResult

ORDER_2024 = Path(__file__).parent / "data" / "codes" / "icd10cm_order_2024.txt"


@pytest.fixture(scope="session")
def model(codeset: CodeSet) -> LexiconModel:
    return LexiconModel(codeset)


def codes_of(mentions: tuple[Mention, ...]) -> list[str]:
    return [mention.code for mention in mentions]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Left knee pain.", ["M25.562"]),
        ("Knee pain on the right.", ["M25.561"]),
        ("Bilateral otalgia.", ["H92.03"]),
        ("Pain in both ears.", ["H92.03"]),
        ("Knee pain.", ["M25.569"]),
        ("Severe left knee osteoarthritis.", ["M17.12"]),
        ("Cough; left ankle fracture.", ["R05.9", "S82.892A"]),
        # the side said elsewhere, where it is said only once
        ("Right hip pain. The hip pain is worse at night.", ["M25.551", "M25.551"]),
        ("Right hip pain, left hip pain. Hip pain at night.", ["M25.551", "M25.552", "M25.559"]),
        ("Osteoarthritis of both knees. Topical gel for the knee OA.", ["M17.0", "M17.0"]),
        # the only side of the sentence, not far before and in the same clause
        ("Left radial nerve palsy with wrist drop.", ["G56.32", "M21.332"]),
        ("Right hip surgery, hearing loss.", ["H91.90"]),
        ("Left or right knee was hit, then knee pain.", ["M25.569"]),
    ],
)
def test_side(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Heart failure. Acute systolic heart failure.", ["I50.21", "I50.21"]),
        ("Cellulitis of the left lower extremity. Cellulitis.", ["L03.116", "L03.116"]),
        ("Radiculopathy. Lumbar radiculopathy.", ["M54.16", "M54.16"]),
        # what is denied specifies nothing, and symptoms stand for themselves
        ("Heart failure. No acute systolic heart failure.", ["I50.9", "I50.21"]),
        ("Abdominal pain. Left lower quadrant pain.", ["R10.9", "R10.32"]),
    ],
)
def test_a_general_code_takes_the_specific_one_of_the_note(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Complex regional pain syndrome type I of the left lower limb.", ["G90.522"]),
        ("CRPS of the right hand.", ["G90.511"]),
        ("Major depressive disorder, recurrent, moderate.", ["F33.1"]),
        ("Stage 2 sacral pressure ulcer.", ["L89.152"]),
        ("Sacrum: 3 x 2 cm stage 2 pressure ulcer.", ["L89.92"]),
        ("Sacral pressure ulcer, 2 cm.", ["L89.159"]),
        ("Ductal carcinoma of the right breast, upper outer quadrant.", ["C50.411"]),
        ("Asthma, mild intermittent.", ["J45.20"]),
        ("Asthma, no exacerbation.", ["J45.909"]),
        ("Sacral pressure ulcer - was stage 2.", ["L89.159"]),
        ("Disuse atrophy of the left forearm.", ["M62.532"]),
        # what one mention says holds for another of the same finding
        ("Right breast cancer. Right breast cancer, upper outer quadrant.", ["C50.411", "C50.411"]),
    ],
)
def test_stage_type_and_place_are_read_from_the_phrase(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("MDD, recurrent, moderate.", ["F33.1"]),
        ("MDD recurrent severe.", ["F33.2"]),
        ("MDD recurrent.", ["F33.9"]),
        ("MDD, moderate, recurrent.", ["F33.1"]),
        ("MDD, moderate.", ["F32.1"]),
        ("Depression, not recurrent.", ["F32.A"]),
        ("Refractory focal epilepsy.", ["G40.119"]),
        ("Refractory focal epilepsy with impaired awareness.", ["G40.219"]),
        ("Focal epilepsy with impaired awareness.", ["G40.209"]),
        ("Focal epilepsy, drug-resistant.", ["G40.119"]),
        ("Medically refractory partial epilepsy.", ["G40.119"]),
        ("Intractable generalized epilepsy.", ["G40.319"]),
        ("Drug-resistant epilepsy.", ["G40.919"]),
        ("Pharmacoresistant epilepsy.", ["G40.919"]),
        # denied, and of another finding
        ("Non-intractable focal epilepsy.", ["G40.109"]),
        ("Epilepsy, not intractable.", ["G40.909"]),
        ("Focal epilepsy, refractory hypertension.", ["G40.109", "I10"]),
    ],
)
def test_a_word_of_the_phrase_makes_another_code(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "code", "assertion"),
    [
        ("STEMI 2 weeks ago.", "I21.3", "present"),
        ("NSTEMI (about 3 days ago).", "I21.4", "present"),
        ("STEMI a few days ago.", "I21.3", "present"),
        ("STEMI four weeks prior.", "I21.3", "present"),
        ("STEMI 6 weeks ago.", "I25.2", "historical"),
        ("STEMI 3 months ago.", "I25.2", "historical"),
    ],
)
def test_an_infarction_is_of_the_past_after_four_weeks(
    model: LexiconModel, text: str, code: str, assertion: str
) -> None:
    (mention,) = model.detect(Document(text))
    assert (mention.code, mention.assertion) == (code, assertion)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Left hemiparesis, as sequela of a stroke.", ["I69.354", "I69.354"]),
        ("He had a stroke 7 months ago. Left hemiparesis.", ["Z86.73", "I69.354"]),
        ("Stroke 7 months prior. Left hemiparesis since.", ["I69.354", "I69.354"]),
        # a new stroke, even beside an old one, no stroke, and a relative's
        ("Admitted with stroke and left hemiparesis.", ["I63.9", "G81.94"]),
        ("A 54-year-old man with stroke and left hemiparesis.", ["I63.9", "G81.94"]),
        ("Old stroke. Left hemiparesis, rule out stroke.", ["Z86.73", "G81.94", "I63.9"]),
        ("Left hemiparesis for years.", ["G81.94"]),
        ("FAMILY HISTORY: Father had a stroke.\nPLAN: Left hemiparesis.", ["Z82.3", "G81.94"]),
    ],
)
def test_what_an_old_stroke_left_is_its_sequela(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Right knee pain. The pain is sharp.", ["M25.561", "M25.561"]),
        ("The pain is sharp.", ["R52"]),
        ("Pain, in the ankle: left ankle pain.", ["M25.572", "M25.572"]),
    ],
)
def test_a_finding_without_site_takes_the_site_of_the_note(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text)))[-2:] == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hypertension.", "I10"),
        ("Hypertension. Congestive heart failure.", "I11.0"),
        ("Hypertension. Chronic kidney disease.", "I12.9"),
        ("Hypertension. End stage renal disease.", "I12.0"),
        ("Hypertension. CHF. CKD.", "I13.0"),
        ("Hypertension. CHF. ESRD.", "I13.2"),
        ("Hypertension. CKD. ESRD.", "I12.0"),
        ("Hypertension. No congestive heart failure.", "I10"),
    ],
)
def test_hypertension_with_heart_failure_and_kidney_disease(model: LexiconModel, text: str, code: str) -> None:
    assert model.detect(Document(text))[0].code == code


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Type 2 diabetes. Chronic kidney disease.", ["E11.22", "N18.9"]),
        ("Peripheral neuropathy. Type 2 diabetes.", ["E11.42", "E11.9"]),
        ("Peripheral neuropathy. No diabetes.", ["G62.9", "E11.9"]),
    ],
)
def test_diabetes_with_complications(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


def test_history_and_family(model: LexiconModel) -> None:
    text = "FAMILY HISTORY: Mother had breast cancer.\nPAST MEDICAL HISTORY: pneumonia in 2001.\n"
    mentions = model.detect(Document(text))
    assert [(m.code, m.assertion, m.kind) for m in mentions] == [
        ("Z80.3", "family", "diagnosis"),
        ("Z87.01", "historical", "diagnosis"),
    ]


def test_mentions_are_whole(model: LexiconModel) -> None:
    text = "Assessment: severe left knee osteoarthritis.\n\nNo chest pain, wheezing or syncope. HTN, GERD."
    mentions = model.detect(Document(text))
    assert len(mentions) == 6
    for mention in mentions:
        assert text[mention.start : mention.end] == mention.text
        assert mention.candidates[0].code == mention.code
        assert mention.candidates[0].score == mention.score
        assert all(0 < candidate.score <= mention.score or candidate.score < 0.5 for candidate in mention.candidates)
    assert mentions[0].section == "assessment"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("I10", "diagnosis"), ("R05.9", "symptom"), ("M54.50", "symptom"), ("Z95.1", "status"), ("W19.XXXA", "cause")],
)
def test_kind_of(code: str, kind: str) -> None:
    assert kind_of(code) == kind


def test_tables_hold_codes_of_the_release(codeset: CodeSet) -> None:
    tables = load_tables()
    codes = [*tables["general"], *tables["with"]]
    codes += [code for sides in tables["sided"].values() for code in sides.values()]
    codes += [*tables["after_stroke"], *tables["after_stroke"].values()]
    codes += [code for partners in tables["with"].values() for code in partners.values()]
    assert [code for code in codes if not codeset.is_billable(code)] == []


def test_what_words_make_of_a_code_is_billable(codeset: CodeSet) -> None:
    codes = [code for entry in load_tables()["by_word"] for pair in entry["codes"].items() for code in pair]
    assert [code for code in codes if not codeset.is_billable(code)] == []


def test_graded_headers_are_of_the_release(codeset: CodeSet) -> None:
    assert [header for header in load_tables()["graded"] if header not in codeset] == []


def test_an_earlier_release_that_lacks_codes_loses_no_note(data_folder: Path, tmp_path: Path) -> None:
    """The tables of linking and the synonyms name codes that a release may not have, such as those of combinations."""
    codes = {"I10": "Essential (primary) hypertension"}
    codes |= {"I50": "Heart failure", "I509": "Heart failure, unspecified"}
    codes |= {"N18": "Chronic kidney disease", "N189": "Chronic kidney disease, unspecified"}
    lines = [
        f"{place:05d} {code:7} {int(code not in ('I50', 'N18'))} {title:60} {title}"
        for place, (code, title) in enumerate(codes.items(), 90000)
    ]
    order = tmp_path / ORDER_2024.name
    order.write_text("\n".join([ORDER_2024.read_text("utf-8").rstrip(), *lines, ""]), "utf-8")
    import_release([order])
    text = (
        "Hypertension, CHF, CKD. MS. Type 2 diabetes, neuropathy. Left hip and knee osteoarthritis. Stage 2 pressure "
        "ulcer. Old stroke with left hemiparesis. Bitten by a dog. Mother had breast cancer. History of pneumonia."
    )
    note = Note("old", text, encounter_date=date(2023, 12, 1))
    (result,) = Detector.from_pretrained("lexicon").stream([note])
    assert isinstance(result, NoteResult)
    assert result.release == "2023-10"
    found = {mention.code for mention in result.mentions}
    assert {"E11.9", "I10", "I50.9", "N18.9"} <= found <= set(CodeSet.load("2023-10").billable_codes())


def test_scores_are_probabilities_for_every_kind() -> None:
    scores = load_tables()["scores"]
    assert set(scores) == {"synonym", "code set"}
    assert SOURCES[0] == "synonym"
    for by_kind in scores.values():
        assert set(by_kind) == set(KINDS)
        for told in by_kind.values():
            assert set(told) == {"plain", "plain absent", "vague", "vague absent"}
            assert all(0 < score < 1 for score in told.values())


def test_scores_are_measured_over_all_mentions(model: LexiconModel) -> None:
    labelled = Path(__file__).parents[1] / "examples" / "labelled.jsonl"
    seen, right = count(labelled)
    n_mentions = sum(len(model.detect(Document(note.note.text))) for note in read_gold(labelled))
    assert seen.total() == n_mentions
    assert n_mentions / 2 < right.total() <= n_mentions
