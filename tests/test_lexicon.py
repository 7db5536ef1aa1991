from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.compiled import load_lexicon
from detect_icd10cm.codes.lexicon import SOURCES, Lexicon, compile_terms
from detect_icd10cm.codes.synonyms import Guard, Synonym, Synonyms
from detect_icd10cm.codes.terms import MODIFIERS, TermReader, modifier_bit, title_variants
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.text.document import Document


@pytest.fixture(scope="session")
def lexicon(codeset: CodeSet) -> Lexicon:
    return load_lexicon(codeset)[0]


def find(lexicon: Lexicon, text: str) -> list[tuple[str, str]]:
    document = Document(text)
    found = []
    for match in lexicon.find(document):
        start, end = document.tokens[match.start].start, document.tokens[match.end - 1].end
        found.append((text[start:end], match.meanings[0].code))
    return found


@pytest.mark.parametrize("text", ["gallstone", "Gallstones", "GALLSTONES"])
def test_case_and_plural_do_not_matter(lexicon: Lexicon, text: str) -> None:
    assert find(lexicon, f"She has {text}.") == [(text, "K80.20")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("chronic obstructive pulmonary disease", "J44.9"),
        ("Crohn's disease", "K50.90"),
        ("Crohn’s disease", "K50.90"),
        ("Crohn disease", "K50.90"),
        ("diarrhoea", "R19.7"),
        ("anaemia", "D64.9"),
        ("knee pain", "M25.569"),
        ("pain in the left knee", "M25.562"),
        ("type II diabetes mellitus", "E11.9"),
        ("diabetes mellitus, type 2", "E11.9"),
        ("non-small-cell lung cancer", "C34.90"),
        ("small bowel obstruction", "K56.609"),
        ("hepatitis A", "B15.9"),
        ("shortness of\nbreath", "R06.02"),
        ("postlaminectomy syndrome", "M96.1"),
        ("myasthenia gravis", "G70.00"),
        ("status post CABG", "Z95.1"),
        ("relapsing-remitting MS", "G35.A"),
        ("neurogenic bowel", "K59.2"),
        ("anemia due to chemotherapy", "D64.81"),
        ("common peroneal nerve injury", "S84.10XA"),
        ("radial nerve laceration", "S54.20XA"),
        ("median nerve injury", "S54.10XA"),
        ("knee OA", "M17.9"),
        ("MCA infarct", "I63.519"),
    ],
)
def test_terms_are_found_as_notes_say_them(codeset: CodeSet, text: str, code: str) -> None:
    mentions = LexiconModel(codeset).detect(Document(f"Patient with {text}."))
    assert [(mention.text, mention.code) for mention in mentions] == [(text, code)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He has MS, on Copaxone.", [("MS", "G35.D")]),
        ("His ms is copaxone.", []),
        ("He takes MS Contin.", []),
        ("ms. Smith was seen.", []),
        ("A doe stood on the road.", []),
        ("Weight loss surgery was discussed.", []),
        ("A stress test was normal.", []),
        ("Graves-Lund called.", []),
        ("GBS bacteriuria was treated.", [("GBS bacteriuria", "R82.71")]),
        ("GBS after an infection.", [("GBS", "G61.0")]),
        ("His brace rubs.", []),
        ("No murmurs, rubs or gallops.", [("murmurs", "R01.1"), ("rubs", "R01.2"), ("gallops", "R00.8")]),
        ("Inspiratory force fell to 18.", []),
        ("She fell.", [("fell", "W19.XXXA")]),
        ("He tripped.", []),
        ("He tripped and fell.", [("tripped and fell", "W01.0XXA")]),
        ("Supine with a bump under the hip.", []),
        ("Mechanical ventilation for 4 days.", []),
        ("Postoperative visit.", [("Postoperative visit", "Z48.89")]),
    ],
)
def test_abbreviations_and_ambiguous_words_are_guarded(
    lexicon: Lexicon, text: str, found: list[tuple[str, str]]
) -> None:
    assert find(lexicon, text) == found


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("severe left knee pain", "severe left knee pain"),
        ("the acute bronchitis", "acute bronchitis"),
        ("hernia, bilateral.", "hernia, bilateral"),
        ("cough, severe headache", "cough"),
        ("dysarthria secondary to ALS", "dysarthria"),
    ],
)
def test_spans_take_the_modifiers_around_a_term(lexicon: Lexicon, text: str, span: str) -> None:
    assert find(lexicon, text)[0][0] == span


def test_the_longest_term_wins(lexicon: Lexicon) -> None:
    assert find(lexicon, "acute renal failure with tubular necrosis") == [
        ("acute renal failure with tubular necrosis", "N17.0")
    ]
    assert find(lexicon, "congestive heart failure") == [("congestive heart failure", "I50.9")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("aspiration pneumonia, right lower lobe", [("aspiration pneumonia", "J69.0")]),
        ("gestational diabetes, diet controlled", [("gestational diabetes, diet controlled", "O24.410")]),
        ("pneumonia, right lower lobe", [("pneumonia, right lower lobe", "J18.1")]),
        ("right upper quadrant abdominal pain", [("right upper quadrant abdominal pain", "R10.11")]),
    ],
)
def test_words_that_only_place_or_qualify_weigh_little(
    lexicon: Lexicon, text: str, found: list[tuple[str, str]]
) -> None:
    assert find(lexicon, text) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Prior anterior MI in 2019 and CABG x3.", "Z95.1"),
        ("Cervical MRI after spinal cord injury.", "S14.109A"),
        ("Humeral fracture with radial nerve laceration.", "S44.20XA"),
        ("ALLERGIES: Peanut - anaphylaxis.", "Z91.010"),
        ("Back pain since he lifted a washing machine.", "X50.0XXA"),
        ("Previous cesarean section, desires TOLAC.", "O34.219"),
        ("Previous cesarean section.", "Z98.891"),
    ],
)
def test_terms_whose_meaning_turns_on_the_note(lexicon: Lexicon, text: str, code: str) -> None:
    assert code in [found for _, found in find(lexicon, text)]


def test_a_list_in_capitals_keeps_its_lines_apart(lexicon: Lexicon) -> None:
    assert [text for text, _ in find(lexicon, "HYPERTENSION\nHEADACHE")] == ["HYPERTENSION", "HEADACHE"]


@pytest.mark.parametrize("text", ["", " \n ", "...", "a", "1", "ÄÖ ß 漢字 🙂", "of the and with"])
def test_texts_without_terms(lexicon: Lexicon, text: str) -> None:
    assert find(lexicon, text) == []


class OneTerm:
    """As much of a code set as the compiler reads: a few codes, one of them with a title."""

    codes = frozenset({"R05.9", "R05.3", "I10", "K92.1", "J35.1", "R10.2"})

    def __contains__(self, code: str) -> bool:
        return code in self.codes

    def terms(self) -> list[tuple[str, str, str]]:
        return [("Cough", "R05.9", "title")]

    def default_billable(self, code: str) -> str:
        return code


def make_lexicon(*terms: Synonym, ignored: tuple[str, ...] = ()) -> Lexicon:
    return Lexicon(compile_terms(OneTerm(), Synonyms(terms, ignored, {})))  # type: ignore[arg-type]


def test_a_modifier_of_a_term_must_be_said() -> None:
    lexicon = make_lexicon(Synonym("large tonsils", "J35.1"))
    assert find(lexicon, "large tonsils") == [("large tonsils", "J35.1")]
    assert find(lexicon, "tonsils") == []


def test_codes_of_another_release_become_those_of_this_one() -> None:
    lexicon = make_lexicon(Synonym("pelvic pain", "R10.20"), Synonym("blorf", "U99.9"))
    assert find(lexicon, "pelvic pain, blorf") == [("pelvic pain", "R10.2")]


def test_a_meaning_with_a_condition_comes_first() -> None:
    lexicon = make_lexicon(Synonym("zorg", "I10"), Synonym("zorg", "K92.1", Guard(if_near=("stool",))))
    assert find(lexicon, "zorg") == [("zorg", "I10")]
    assert find(lexicon, "zorg in the stool")[0] == ("zorg", "K92.1")


def test_terms_of_the_code_set_may_be_ignored() -> None:
    assert find(make_lexicon(), "cough") == [("cough", "R05.9")]
    assert find(make_lexicon(ignored=("cough",)), "cough") == []
    assert find(make_lexicon(Synonym("cough", "R05.3"), ignored=("cough",)), "cough") == [("cough", "R05.3")]


def test_meanings_come_best_source_first(lexicon: Lexicon) -> None:
    document = Document("hypertension")
    sources = [meaning.source for meaning in lexicon.find(document)[0].meanings]
    assert sources == sorted(sources)
    assert SOURCES[sources[0]] == "synonym"


def test_memory_holds_the_same_for_the_same_words(lexicon: Lexicon) -> None:
    text = "Cough, qwertz, cough. Qwertz asdf."
    assert find(lexicon, text) == find(lexicon, text) == [("Cough", "R05.9"), ("cough", "R05.9")]


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Pneumonia, unspecified", "Pneumonia"),
        ("Malignant neoplasm of colon, unspecified", "colon cancer"),
        ("Secondary malignant neoplasm of liver", "liver metastasis"),
        ("Personal history of pneumonia (recurrent)", "history of pneumonia"),
    ],
)
def test_titles_are_reworded_as_notes_say_them(title: str, said: str) -> None:
    reader = TermReader({})
    assert reader.bag(said) in [reader.bag(variant) for variant in title_variants(title)]


@pytest.mark.parametrize("title", ["Other specified disorders of nose", "Fracture of rib, initial encounter"])
def test_residual_titles_are_no_terms(title: str) -> None:
    assert title_variants(title) == []


def test_bags() -> None:
    reader = TermReader({"kidney": ["renal"]})
    assert reader.bag("Stones of the left kidneys") == reader.bag("left renal stone")
    assert reader.bag("hepatitis A").words == ("a", "hepatitis")
    assert reader.bag("a fever").words == ("fever",)
    assert reader.bag("").words == ()
    assert len({modifier_bit(word) for word in MODIFIERS}) == len(MODIFIERS)
    assert modifier_bit("both") == modifier_bit("bilaterally") == modifier_bit("bilateral")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("No pneumonia, COPD stable.", [("pneumonia", "J18.9"), ("COPD", "J44.9")]),
        ("Anxiety, depression.", [("Anxiety", "F41.9"), ("depression", "F32.A")]),
        # what follows the comma tells more of the same finding
        ("Pneumonia and COPD.", [("Pneumonia and COPD", "J44.0")]),
        ("Fracture, left femur.", [("Fracture, left femur", "S72.92XA")]),
        ("Nausea, vomiting.", [("Nausea, vomiting", "R11.2")]),
        ("Schizophrenia, paranoid.", [("Schizophrenia, paranoid", "F20.0")]),
    ],
)
def test_a_comma_parts_whole_findings(lexicon: Lexicon, text: str, found: list[tuple[str, str]]) -> None:
    assert find(lexicon, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BMI 42.1", [("BMI 42.1", "Z68.41")]),
        ("BMI is 42.1 kg/m2", [("BMI is 42.1", "Z68.41")]),
        ("BMI of 37.6", [("BMI of 37.6", "Z68.37")]),
        ("BMI: 31", [("BMI: 31", "Z68.31")]),
        ("BMI approximately 29.9", [("BMI approximately 29.9", "Z68.29")]),
        ("Body mass index of 61.5", [("Body mass index of 61.5", "Z68.44")]),
        ("BMI = 18.4", [("BMI = 18.4", "Z68.1")]),
        ("Weight 72, BMI 26.3", [("BMI 26.3", "Z68.26")]),
        ("T2DM, BMI 35.2", [("T2DM", "E11.9"), ("BMI 35.2", "Z68.35")]),
        ("Type 2 DM, BMI 35.2", [("Type 2 DM", "E11.9"), ("BMI 35.2", "Z68.35")]),
        # normal, a percentile, and no value
        ("BMI 22.4", []),
        ("BMI 85%", []),
        ("BMI not recorded, age 42", []),
        ("42.1 years, index finger", []),
    ],
)
def test_body_mass_index(lexicon: Lexicon, text: str, found: list[tuple[str, str]]) -> None:
    assert find(lexicon, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Status post LAD 2 stent", [("stent", "Z95.5")]),
        ("Leukocyte adhesion deficiency type I", [("Leukocyte adhesion deficiency type I", "D71.1")]),
        ("Cellulitis of left lower leg", [("Cellulitis of left lower leg", "L03.116")]),
        ("Cellulitis of the right lower leg", [("Cellulitis of the right lower leg", "L03.115")]),
        ("Right ankle cellulitis", [("Right ankle cellulitis", "L03.115")]),
        ("Left forearm cellulitis", [("Left forearm cellulitis", "L03.114")]),
        ("Left thigh cellulitis", [("Left thigh cellulitis", "L03.116")]),
        ("Thigh cellulitis", [("Thigh cellulitis", "L03.119")]),
        ("AOM, started amoxicillin", [("AOM", "H66.90")]),
        ("AOM", []),
        ("Denies CP or palpitations", [("CP", "R07.9"), ("palpitations", "R00.2")]),
        ("Spastic CP", [("CP", "G80.9")]),
        ("CP 3", []),
        ("CTA to rule out PE", [("PE", "I26.99")]),
        ("PE: lungs clear", []),
    ],
)
def test_terms_that_their_context_decides(lexicon: Lexicon, text: str, found: list[tuple[str, str]]) -> None:
    assert find(lexicon, text) == found
