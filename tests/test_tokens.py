from __future__ import annotations

import pytest

from detect_icd10cm.text.tokens import normalize_word, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("No fever.", ["No", "fever", "."]),
        ("Crohn's disease", ["Crohn's", "disease"]),
        ("Crohn’s", ["Crohn’s"]),
        ("BMI 39.5, q.i.d.", ["BMI", "39.5", ",", "q", ".", "i", ".", "d", "."]),
        ("x-ray/CT", ["x", "-", "ray", "/", "CT"]),
        ("a\r\nb\n\nc", ["a", "\n", "b", "\n", "\n", "c"]),
        ("T2DM_old", ["T2DM", "_", "old"]),
        ("Ménière", ["Ménière"]),
        ("", []),
        (" \t\u00a0", []),
    ],
)
def test_tokenize(text: str, tokens: list[str]) -> None:
    assert [token.text for token in tokenize(text)] == tokens


@pytest.mark.parametrize(
    ("word", "normal"),
    [
        ("Fractures", "fracture"),
        ("biopsies", "biopsy"),
        ("Crohn's", "crohn"),
        ("Crohn’s", "crohn"),
        ("pancreatitis", "pancreatitis"),
        ("diagnoses", "diagnosis"),
        ("anaemia", "anemia"),
        ("oedema", "edema"),
        ("haemorrhage", "hemorrhage"),
        ("oesophagus", "esophagus"),
        ("tumour", "tumor"),
        ("diarrhoea", "diarrhea"),
        ("leukaemia", "leukemia"),
        ("MS", "ms"),
        ("gas", "gas"),
    ],
)
def test_normalize_word(word: str, normal: str) -> None:
    assert normalize_word(word) == normal


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("anaesthesia", "anesthesia"),
        ("caesarean", "cesarean"),
        ("coeliac", "celiac"),
        ("dyspnoea", "dyspnea"),
        ("faecal", "fecal"),
        ("foetal", "fetal"),
        ("gynaecology", "gynecology"),
        ("haematuria", "hematuria"),
        ("hypoglycaemia", "hypoglycemia"),
        ("ischaemic", "ischemic"),
        ("paediatric", "pediatric"),
        ("paralysed", "paralyzed"),
        ("sulphur", "sulfur"),
        ("tumours", "tumor"),
        ("uraemia", "uremia"),
    ],
)
def test_british_and_american_spellings_meet(british: str, american: str) -> None:
    assert normalize_word(british) == normalize_word(american)
