"""What the model learns from: phrasing, terms, codes of other years, CodiEsp in both languages, unlabelled notes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.synonyms import Synonyms
from detect_icd10cm.types import AnnotatedNote, Mention, Note
from training import data
from training.alignment import WordPairs, align_sentences, split_sentences
from training.phrasing import split_episode, spoken_forms
from training.terms import Term, bracket_forms, count_sources, stream_terms, term_key

DATA = Path(__file__).parent / "data" / "codes"
NO_SYNONYMS = Synonyms((), (), {})


@pytest.mark.parametrize(
    ("title", "forms"),
    [
        ("Effusion, unspecified knee", {"knee effusion"}),
        ("Primary osteoarthritis, left ankle and foot", {"primary osteoarthritis of the left ankle and foot"}),
        ("Pain in right knee", {"pain in right knee", "right knee pain"}),
        (
            "Displaced spiral fracture of shaft of humerus, right arm, initial encounter for closed fracture",
            {
                "displaced spiral right humeral shaft fracture",
                "displaced spiral fracture of shaft of the right humerus",
            },
        ),
        ("Malignant neoplasm of upper lobe, right bronchus or lung", {"right upper lobe lung cancer"}),
        ("Type 2 diabetes mellitus with diabetic neuropathy, unspecified", {"type 2 diabetes with neuropathy"}),
        ("Burn of second degree of left forearm, subsequent encounter", {"second degree burn of the left forearm"}),
        ("Long term (current) use of insulin", {"on long-term insulin", "chronic insulin use"}),
        ("Personal history of malignant neoplasm of breast", {"history of malignant neoplasm of breast"}),
        ("Crohn's disease, unspecified, without complications", {"Crohn's disease"}),
        ("Alcohol abuse, uncomplicated", {"alcohol abuse"}),
    ],
)
def test_titles_are_said_as_in_notes(title: str, forms: set[str]) -> None:
    assert forms <= set(spoken_forms(title))


@pytest.mark.parametrize("title", ["Other specified disorders of muscle", "Arthritis in diseases classified elsewhere"])
def test_residual_classes_are_not_sayable(title: str) -> None:
    assert spoken_forms(title) == ()


def test_forms_leave_no_trace_of_what_is_not_said(codeset: CodeSet) -> None:
    for code in codeset.billable_codes()[::29]:
        for form in spoken_forms(codeset.title(code)):
            assert form == " ".join(form.split())
            assert "unspecified" not in form.lower()
            assert "encounter" not in form.lower() or "Encounter" in codeset.title(code)
            assert not form.endswith((",", " of", " with"))


def test_episodes() -> None:
    assert split_episode("Sprain of left wrist, subsequent encounter") == ("Sprain of left wrist", "subsequent")
    assert split_episode("Asthma") == ("Asthma", None)


def test_brackets() -> None:
    assert bracket_forms("Hypertension (arterial) (benign)") == ("Hypertension", "Hypertension arterial benign")
    assert bracket_forms("Human immunodeficiency virus [HIV] disease") == ("Human immunodeficiency virus disease",)
    assert term_key("Crohn's disease of the colon") == term_key("colon Crohn disease")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a few invented rows of each vocabulary."""
    root = tmp_path_factory.mktemp("data")
    (root / "lexicons" / "abbreviations").mkdir(parents=True)
    (root / "reference").mkdir()
    tables = {
        "doid_lexicon.tsv": [
            "doid\tcurrent\ticd10cm_2026\ticd10cm_2018only\ttype\tterm",
            "D:1\t1\tG70.0\t\tlabel\tmyasthenic grip",  # a header
            "D:1\t1\tG70.0\t\tnarrow\tsomething else",
            "D:2\t0\tI10\t\tlabel\tobsolete pressure",
            "D:3\t1\tA01.0|A02.0\t\trelated\tbowel fever",
            "D:4\t1\t\t\tlabel\tCarpal tunnel syndrome, left upper limb",  # no code, known by its words
            "D:4\t1\t\t\texact\tnumb palm",
        ],
        "ncit2018_terms_via_mondo_icd10cm.tsv": [
            "ncit\tmondo\ticd10cm\ttype\tterm",
            "N:1\tM:1\tQ99.999\tlabel\tno code",
        ],
        "hpo_layperson_synonyms.tsv": ["?term\t?term_label\t?layperson", "H:1\tnumb palm\tsleepy palm"],
        "abbreviations/one.txt": ["np\tnumb palm\t0.25", "np\tnew patient\t0.75", "zz\tno share\tx"],
    }
    for name, rows in tables.items():
        (root / "lexicons" / name).write_text("\n".join(rows) + "\n", "utf-8")
    for name in ("neoplasm", "eindex", "drug"):
        shutil.copy(DATA / f"icd10cm_{name}_2024.xml", root / "reference" / f"icd10cm-{name}-2024.xml")
    return root


def test_own_terms_are_billable_unique_and_weighed(codeset: CodeSet) -> None:
    terms = list(stream_terms(codeset, synonyms=NO_SYNONYMS))
    assert len({(term.text.casefold(), term.code) for term in terms}) == len(terms)
    assert {term.code for term in terms} == set(codeset.billable_codes())
    assert all(0 < term.weight <= 1 and term.text == " ".join(term.text.split()) for term in terms)
    counts = count_sources(terms)
    assert set(counts) == {"title", "inclusion", "spoken", "header", "includes"}
    assert sum(counts.values()) == len(terms)
    said = {(term.text, term.code): term.source for term in terms}
    assert said["high blood pressure", "I10"] == "includes"
    assert said["Essential hypertension", "I10"] == "title"
    assert said["left upper limb carpal tunnel syndrome", "G56.02"] == "spoken"


Outside = Callable[..., dict[tuple[str, str], Term]]


@pytest.fixture
def outside(codeset: CodeSet, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Outside:
    """The terms of the invented vocabularies alone."""
    own = Term("Carpal tunnel syndrome, left upper limb", "G56.02", "title", 1.0)
    monkeypatch.setattr("training.terms._own_terms", lambda codeset, synonyms: iter([own]))

    def stream(**options: bool) -> dict[tuple[str, str], Term]:
        found = stream_terms(codeset, folder, synonyms=NO_SYNONYMS, **options)
        return {(term.text, term.code): term for term in found}

    return stream


def test_concepts_are_coded_by_map_or_by_words(outside: Outside) -> None:
    found = outside(with_hpo=True)
    assert found["myasthenic grip", "G70.00"].source == "doid"
    assert found["numb palm", "G56.02"].source == "doid"
    assert found["sleepy palm", "G56.02"].source == "hpo"
    assert found["np", "G56.02"].weight == pytest.approx(0.15)
    # Two codes, and only a related term.
    assert found["bowel fever", "A02.0"].weight == pytest.approx(found["numb palm", "G56.02"].weight / 4)
    assert not {"something else", "obsolete pressure", "no code", "zz"} & {text for text, _ in found}
    assert {term.source for term in found.values()} >= {"neoplasm", "cause", "drug"}


def test_hpo_is_left_out_unless_asked_for(outside: Outside) -> None:
    assert "hpo" not in {term.source for term in outside().values()}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I10", "I10"),
        ("R51", "R51.9"),  # split since
        ("M54.5", "M54.50"),
        ("T14.8", "T14.8XXA"),
        ("W19.XXX", "W19.XXXA"),  # cut short of its 7th character
        ("R74.0", "R74.01"),
        ("I31.3", "I31.39"),
        ("H54.0", None),
        ("BW03ZZZ", None),
    ],
)
def test_codes_of_other_years_are_carried(codeset: CodeSet, old: str, new: str | None) -> None:
    assert data.carry_code(old, codeset) == new


def mention(start: int, end: int, code: str, score: float = 1.0, assertion: str = "present") -> Mention:
    return Mention(start, end, "x" * (end - start), "diagnosis", assertion, code, score=score)  # type: ignore[arg-type]


def test_notes_are_carried_and_lost_codes_told(codeset: CodeSet) -> None:
    old = AnnotatedNote(Note("n", "x" * 30), (mention(0, 3, "R51"), mention(5, 9, "H54.0")), ("R51", "R51.9", "H54.0"))
    issues: list[data.GoldIssue] = []
    new = data.carry_note(old, codeset, issues)
    assert ([m.code for m in new.mentions], new.codes) == (["R51.9"], ("R51.9",))
    assert [(issue.kind, issue.source) for issue in issues] == [("not in release", "H54.0")]


def test_of_overlapping_mentions_the_surer_then_the_longer_stays() -> None:
    mentions = [mention(0, 9, "A"), mention(4, 6, "B"), mention(8, 12, "C", 0.5), mention(12, 15, "D", 0.2)]
    kept = data.without_overlaps(mentions)
    assert [m.code for m in kept] == ["A", "D"]
    assert [m.code for m in data.without_overlaps([mention(0, 9, "A", 0.6), mention(4, 6, "B", 0.9)])] == ["B"]


def test_mentions_are_terms_of_their_codes() -> None:
    notes = [
        AnnotatedNote(Note("1", ""), (mention(0, 3, "I10"), mention(0, 3, "I10"), mention(0, 3, "I15.9"))),
        AnnotatedNote(Note("2", ""), (mention(0, 3, "Z86.79", assertion="historical"),)),
    ]
    assert {(t.text, t.code, round(t.weight, 2)) for t in data.mention_terms(notes)} == {
        ("xxx", "I10", 0.67),
        ("xxx", "I15.9", 0.33),
    }


# Invented cases: one sentence a line, the same ten words in changing company.
SENTENCES = [
    ("El paciente presenta dolor abdominal.", "The patient has abdominal pain.", "dolor abdominal", "abdominal pain"),
    ("Ingresa por fiebre alta y tos.", "He was admitted for high fever and cough.", "fiebre", "fever"),
    (
        "La radiografía mostró derrame pleural.",
        "The X-ray showed pleural effusion.",
        "derrame pleural",
        "pleural effusion",
    ),
    ("Tiene una masa en el riñón izquierdo.", "He has a mass in the left kidney.", "masa", "mass"),
    ("Se diagnosticó hipertensión arterial.", "Arterial hypertension was diagnosed.", "hipertensión", "hypertension"),
    ("Refiere dolor y fiebre.", "She reports pain and fever.", "dolor", "pain"),
]
CODES = dict(zip([sentence[2] for sentence in SENTENCES], "r10.9 r50.9 j90 n28.89 i10 r52".split(), strict=True))


@pytest.fixture(scope="module")
def codiesp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("codiesp") / "train"
    for language in ("text_files", "text_files_en"):
        (root / language).mkdir(parents=True)
    rows = []
    for case in range(6):
        pairs = SENTENCES[case:] + SENTENCES[:case]
        spanish = " ".join(pair[0] for pair in pairs) + "\n"
        for pair in pairs[:4]:
            start = spanish.index(pair[0]) + pair[0].index(pair[2])
            rows.append(f"c{case}\tDIAGNOSTICO\t{CODES[pair[2]]}\t{pair[2]}\t{start} {start + len(pair[2])}")
        rows.append(f"c{case}\tPROCEDIMIENTO\tbw03zzz\tradiografía\t0 2")
        (root / "text_files" / f"c{case}.txt").write_text(spanish, "utf-8")
        # The translation numbers its blank lines.
        (root / "text_files_en" / f"c{case}.txt").write_text(
            "\n".join(["1.", *(pair[1] for pair in pairs), ""]), "utf-8"
        )
    text = (root / "text_files" / "c3.txt").read_text("utf-8")
    kidney, mass = text.index("riñón izquierdo"), text.index("masa")
    far = text.index("derrame pleural")
    rows.append(f"c3\tDIAGNOSTICO\tn28.89\triñón izquierdo masa\t{kidney} {kidney + 15};{mass} {mass + 4}")
    rows.append(f"c3\tDIAGNOSTICO\tj90\triñón izquierdo derrame pleural\t{kidney} {kidney + 15};{far} {far + 15}")
    (root / "trainX.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return root


def test_spanish_evidence_is_compact_and_unasserted(codiesp: Path, codeset: CodeSet) -> None:
    cases = {note.note.note_id: note for note in data.read_codiesp_spanish(codiesp, codeset)}
    said = {mention.text: mention.code for mention in cases["c3"].mentions}
    assert said["masa en el riñón izquierdo"] == "N28.89"  # pieces close by stand whole
    assert said["derrame pleural"] == "J90"  # pieces far apart: the one that is a finding elsewhere
    assert len(cases) == 6
    for case in cases.values():
        assert {mention.assertion_score for mention in case.mentions} == {0.0}
        assert all(case.note.text[m.start : m.end] == m.text for m in case.mentions)
        assert "BW03ZZZ" not in case.codes


def test_english_evidence_is_found_by_alignment(codiesp: Path, codeset: CodeSet) -> None:
    terms = [Term("pain", "R52", "title", 1.0), Term("pleural effusion", "J90", "title", 1.0)]
    cases = {note.note.note_id: note for note in data.read_codiesp_english(codiesp, codeset, terms)}
    wanted = {CODES[spanish].upper(): english for _, _, spanish, english in SENTENCES}
    found = [(m.text, wanted[m.code]) for case in cases.values() for m in case.mentions if m.code != "N28.89"]
    assert len(found) >= 18
    assert [text for text, english in found] == [english for text, english in found]
    for case in cases.values():
        for m in case.mentions:
            assert case.note.text[m.start : m.end] == m.text
            assert 0 < m.score < 1
            assert m.assertion_score == 0.0


def test_lines_with_a_lost_mention_can_be_cut(codiesp: Path, codeset: CodeSet) -> None:
    english = codiesp / "text_files_en" / "c0.txt"
    kept = english.read_text("utf-8")
    english.write_text(kept.replace("abdominal pain", "something"), "utf-8")
    try:
        whole = next(iter(data.read_codiesp_english(codiesp, codeset, [])))
        cut = next(iter(data.read_codiesp_english(codiesp, codeset, [], whole=False)))
    finally:
        english.write_text(kept, "utf-8")
    assert "something" in whole.note.text
    assert "something" not in cut.note.text
    assert [m.text for m in cut.mentions] == [m.text for m in whole.mentions]
    assert all(cut.note.text[m.start : m.end] == m.text for m in cut.mentions)
    assert "R10.9" in cut.codes  # the case still has the code


def test_sentences_align_across_splits_and_gaps() -> None:
    spanish = "Paciente con litiasis renal. Presenta hematuria de 3 meses. Tratamiento con 500 mg de paracetamol."
    english = "Patient with renal lithiasis and hematuria of 3 months.\n2.\nTreated with 500 mg of paracetamol."
    source, target = split_sentences(spanish), split_sentences(english)
    assert (len(source), len(target)) == (3, 2)  # a line that only numbers is none
    assert align_sentences(source, target) == [(range(0, 2), range(0, 1)), (range(2, 3), range(1, 2))]


def test_word_pairs_are_learned_from_company() -> None:
    bitext = [(["dolor", "cabeza"], ["head", "pain"]), (["dolor"], ["pain"]), (["cabeza", "grande"], ["big", "head"])]
    pairs = WordPairs(bitext)
    assert pairs.score("dolor", "pain") > 0.9 > pairs.score("dolor", "head")
    assert pairs.score("neumonia", "pneumonia") > 0.5  # never seen: by spelling


def test_unlabelled_notes_leave_evaluation_notes_out(tmp_path: Path) -> None:
    texts = {"dev": " ".join(map(str, range(100))), "own": " ".join(map(str, range(500, 600)))}
    texts["again"] = f"{texts['own']} {texts['dev']}"
    (tmp_path / "mtsamples").mkdir()
    for name, notes in (("mtsamples/notes.jsonl", ["dev", "own"]), ("aci_bench_notes.jsonl", ["again"])):
        lines = [json.dumps({"note_id": note_id, "text": texts[note_id]}) for note_id in notes]
        (tmp_path / name).write_text("\n".join(lines), "utf-8")
    assert [note.note_id for note in data.unlabelled_notes(tmp_path, [Note("dev", texts["dev"])])] == ["own"]
    assert len(list(data.unlabelled_notes(tmp_path, []))) == 3
    assert list(data.unlabelled_notes(tmp_path / "nowhere", [])) == []
