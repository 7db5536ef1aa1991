from __future__ import annotations

import pytest

from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document

RULES = AssertionRules.load()

NEGATION = [
    "No {pneumonia|J18.9|absent}.",
    "Negative for {stroke|I63.9|absent}.",
    "CT negative for acute {stroke|I63.9|absent}, shows {sinusitis|J32.9}.",
    "There is no evidence of {deep vein thrombosis|I82.409|absent}.",
    "No signs of {cellulitis|L03.90|absent} or {abscess|L02.91|absent}.",
    "Denies {fever|R50.9|absent}, {chills|R68.83|absent}, or {night sweats|R61|absent}.",
    "The patient denies any {chest pain|R07.9|absent}, {palpitations|R00.2|absent} or {syncope|R55|absent}.",
    "She denies lumps in her breast, {nipple discharge|N64.52|absent} or {breast pain|N64.4|absent}.",
    "Denies: {fever|R50.9|absent}, {cough|R05.9|absent}.",
    "She is without {dyspnea|R06.00|absent} at rest.",
    "Free of {angina|I20.9|absent} since the stent.",
    "He has not had any {fever|R50.9|absent}, {cough|R05.9|absent} or {rash|R21|absent}.",
    "She has not had a {seizure|R56.9|absent} since May.",
    "He doesn't have {gout|M10.9|absent}.",
    "He doesn’t have {gout|M10.9|absent}.",
    "I do not see {retinopathy|H35.00|absent}.",
    "The child is not having any problems with {ear infections|H66.90|absent}.",
    "Neither {edema|R60.9|absent} nor {cyanosis|R23.0|absent}.",
    "He was ruled out for {myocardial infarction|I21.9|absent}.",
    "MRI failed to show {osteomyelitis|M86.9|absent}.",
    "(-) {chest pain|R07.9|absent}",
]

NEGATION_BEHIND = [
    "{Pneumonia|J18.9|absent} ruled out.",
    "{Pulmonary embolism|I26.99|absent} was ruled out by CT.",
    "{Fever|R50.9|absent}: none.",
    "{Fever|R50.9|absent}: no, {cough|R05.9}: yes.",
    "{Jaundice|R17|absent} - none.",
    "{Hepatomegaly|R16.0|absent} is absent.",
    "{Organomegaly|R16.2|absent} not palpated, {masses|R22.9|absent} not seen.",
    "Test for {strep throat|J02.0|absent}, which was negative.",
    "{Depression|F32.A|absent}: the patient denies.",
    "She is {pain|R52|absent} free.",
    "{Sepsis|A41.9|absent} is unlikely.",
    "{Neuropathy|G62.9|absent} and {myasthenia gravis|G70.00|absent} have been excluded.",
    "{Gout|M10.9|absent}, {septic arthritis|M00.9|absent}, {Lyme disease|A69.20|absent} and {lupus|M32.9|absent}"
    " were excluded.",
    "{Pneumonia|J18.9|absent} has been excluded.",
    "{Smoker|F17.210|absent}: never.",
    "(-) {fever|R50.9|absent}, (+) {weight gain|R63.5}",
    "(+) {fever|R50.9}, (-) {chills|R68.83|absent}",
]

ENDS_OF_REACH = [
    "No {chest pain|R07.9|absent} but has {fever|R50.9}.",
    "No {fever|R50.9|absent}; {cough|R05.9} for two days.",
    "Not {pneumonia|J18.9|absent} but {bronchitis|J40}.",
    "Denies {nausea|R11.0|absent}, however {vomiting|R11.10} this morning.",
    "No {headache|R51.9|absent} although {dizziness|R42} persists.",
    "He denies {cough|R05.9|absent} and has {fever|R50.9}.",
    "There was no {fracture|T14.8XXA|absent}. The {sprain|S93.409A} will heal.",
    "No {edema|R60.9|absent}, positive for {rash|R21}.",
    "Lungs: no {wheezing|R06.2|absent}. Abdomen: {ascites|R18.8}.",
    "No {murmur|R01.1|absent} abdomen: {obesity|E66.9}.",
    "No {fever|R50.9|absent} apart from {chills|R68.83}.",
    "He is not eating well because of {nausea|R11.0}.",
    "Non-insulin-dependent {diabetes|E11.9}, {asthma|J45.909}.",
    "{Diabetes without retinopathy|E11.9}, {anxiety|F41.9}.",
    "{Migraine without aura|G43.009}, {anxiety|F41.9}.",
    "{Migraine|G43.909} without aura, {anxiety|F41.9}.",
    "{Depression|F32.A} without psychotic features, {asthma|J45.909}.",
    "No {pneumonia|J18.9|absent}, {COPD|J44.9} stable.",
    "No {pneumonia|J18.9|absent}, {COPD|J44.9} is stable on tiotropium.",
    "No {chest pain|R07.9|absent} or {edema|R60.9|absent} and {hypertension|I10} well-controlled.",
    "No {pneumonia|J18.9|absent}, {COPD|J44.9} stable, {asthma|J45.909}.",
    "Denies {chest pain|R07.9|absent}, {cough|R05.9|absent}, stable on aspirin.",
    "No {effusion|J90|absent} stable since May.",
    "Mother with {gout|M10.9|family}, {COPD|J44.9|family} stable.",
    "{History of stroke|Z86.73|historical} and {pneumonia|J18.9|historical}.",
    "{Family history of stroke|Z82.3|family} and {diabetes|E11.9|family}.",
]

TEMPLATES = [
    "Cardiovascular: Negative for {chest pain|R07.9|absent}, {palpitations|R00.2|absent}. Positive for {edema|R60.9}.",
    "REVIEW OF SYSTEMS:\nGeneral: Denies {fever|R50.9|absent}\nLungs: {Cough|R05.9}\nGI: No {nausea|R11.0|absent}",
    "Denies {fever|R50.9|absent}, {cough|R05.9|absent},\n{wheezing|R06.2|absent} or\n{dyspnea|R06.00|absent}.",
    "1. No {fever|R50.9|absent}\n2. {Cough|R05.9}\n3. {Asthma|J45.909}",
    "- {Fever|R50.9|absent}: none\r\n- {Cough|R05.9}: dry\r\n",
    "A/P: 1) {GERD|K21.9} w/o {esophagitis|K20.90|absent} 2) {RA|M06.9} 3) {BPH|N40.0}",
    "A/P: 1. {GERD|K21.9} w/o {esophagitis|K20.90|absent} 2. {RA|M06.9} 3. {BPH|N40.0}",
    "Denies 1) {fever|R50.9|absent}, 2) {chills|R68.83|absent} and 3) {cough|R05.9|absent}.",
    "PAIN: no {back pain|M54.9|absent} {neck pain|M54.2|absent}\n\n{Obesity|E66.9}",
]

PSEUDO_CUES = [
    "No change in {back pain|M54.9}.",
    "No increase in {edema|R60.9}.",
    "No {change in hearing|H91.90|absent}.",
    "Not only {nausea|R11.0} but {vomiting|R11.10}.",
    "Gram negative {sepsis|A41.50}.",
    "{Diabetes|E11.9} is not well controlled.",
    "She ambulates without difficulty, {arthritis|M19.90} noted.",
    "A 60-year-old man with {gout|M10.9}.",
    "No improvement of {cough|R05.9} with codeine.",
    "HISTORY OF PRESENT ILLNESS: {Cough|R05.9} for two days.",
]

POSSIBLE = [
    "Rule out {pulmonary embolism|I26.99|possible}.",
    "R/O {appendicitis|K35.80|possible}.",
    "Cannot exclude {malignancy|C80.1|possible}.",
    "Could not rule out {pneumonia|J18.9|possible}.",
    "{Pneumonia|J18.9|possible} vs. {atelectasis|J98.11|possible}.",
    "{Pneumonia|J18.9|possible} versus {heart failure|I50.9|possible}",
    "? {stroke|I63.9|possible}",
    "PMH: ?{stroke|I63.9|possible}",
    "Possibly {viral syndrome|B34.9|possible}.",
    "Probable {gastritis|K29.70|possible}.",
    "Findings suggestive of {cirrhosis|K74.60|possible}.",
    "{Anemia|D64.9}, probable {iron deficiency|E61.1|possible}.",
    "{Lymphoma|C85.90|possible} is suspected.",
    "{Meningitis|G03.9|possible} cannot be excluded.",
    "{Meningitis|G03.9|possible} has not been excluded.",
    "Possible transition to secondary progressive {MS|G35.D|possible}.",
    "Possible progression to {heart failure|I50.9|possible}.",
    "DIFFERENTIAL DIAGNOSIS: {Gout|M10.9|possible}, {septic arthritis|M00.9|possible}.",
    "{Gout|M10.9|possible}?",
    "Worried? {Anxiety|F41.9} noted.",
    "{Vomiting|R11.10} likely due to {gastroenteritis|K52.9|possible}.",
    "No suspicion of {abuse|T76.91XA|absent}.",
    "{Hypertension|I10}, and possible {sleep apnea|G47.30|possible}.",
]

HISTORICAL = [
    "History of {hypertension|I10}.",
    "H/o {diabetes|E11.9} and {epilepsy|G40.909}.",
    "History of {breast cancer|C50.919|historical}, treated 2001.",
    "PMH: {Hypertension|I10}, {pneumonia|J18.9|historical} in 2002.",
    "Prior {stroke|I63.9|historical} without deficit.",
    "S/p {appendicitis|K35.80|historical}.",
    "Status post {MVA|V89.2XXA}.",
    "{Headache|R51.9|historical} resolved.",
    "The {rash|R21|historical} has since resolved.",
    "{Asthma|J45.909|historical} as a child.",
    "She no longer has {migraine|G43.909|absent}.",
    "{Leg pain|M79.606|historical} no longer present.",
    "{Lymphoma|C85.90|historical} in remission.",
    "{Alcohol use disorder|F10.90} in remission, {opioid dependence|F11.20} now in remission.",
    "{Major depression|F32.9} in remission, {recurrent depression|F33.9} is in remission.",
    "{Headaches|R51.9} in the past two days.",
    "{Seizures|R56.9|historical} in the past.",
    "No history of {stroke|I63.9|absent}.",
    "{History of stroke|Z86.73|historical}.",
    "He has {old stroke|Z86.73|historical} and a previous {pacemaker|Z95.0}.",
    "MEDICAL HISTORY:\n{Gallstones|K80.20|historical}\n{Lupus|M32.9}\n",
    "An 80-year-old with {gastroenteritis|K52.9}.",
    "Hx of {TIA|G45.9|historical}, 2022.",
    "PMH: {Appendicitis|K37|historical} at age 12.",
    "{Meningitis|G03.9|historical} at the age of four.",
    "{Epilepsy|G40.909} since age 12.",
    "PMH: {Hysterectomy|Z90.710} for {fibroids|D25.9|historical}.",
    "Status post {total abdominal hysterectomy|Z90.710} due to uterine {fibroids|D25.9|historical}.",
    "She has a history of {colectomy|Z90.49} for {ulcerative colitis|K51.90|historical}.",
    "She is scheduled for hysterectomy for {fibroids|D25.9}.",
    "HOSPITAL COURSE: She underwent cholecystectomy for {gallstones|K80.20}.",
]

FAMILY = [
    "Mother had {breast cancer|C50.919|family}.",
    "Family history of {diabetes|E11.9|family} and {stroke|I63.9|family}.",
    "FAMILY HISTORY: {Hypertension|I10|family}, {gout|M10.9|family}.",
    "FAMILY HISTORY: No {colon cancer|C18.9|absent}.",
    "FAMILY HISTORY: Denies {diabetes|E11.9|absent}.\nSOCIAL HISTORY: {Alcohol abuse|F10.10}.",
    "{Diabetes|E11.9|family} in her father.",
    "His brother died of {lung cancer|C34.90|family}; he has {COPD|J44.9}.",
    "Her father's {stroke|I63.9|family} was severe.",
    "Mother states he has {cough|R05.9} and {wheezing|R06.2}.",
    "Brought by his mother for {fever|R50.9}.",
    "According to the mother, no {vomiting|R11.10|absent}.",
    "Seen with his mother and complains of {ear pain|H92.09}.",
    "No family history of {melanoma|C43.9|absent}.",
    "FAMILY AND SOCIAL HISTORY: {Alcohol abuse|F10.10}.",
    "{Family history of stroke|Z82.3|family}.",
]

HYPOTHETICAL = [
    "Return if {fever|R50.9|hypothetical} or {bleeding|R58|hypothetical}.",
    "Return for {fever|R50.9|hypothetical}, {redness|L53.9|hypothetical}.",
    "Call me if she develops {vomiting|R11.10|hypothetical}.",
    "Return to the ED for {trouble breathing|R06.00|hypothetical}, {choking|R09.89|hypothetical} or"
    " {fever|R50.9|hypothetical}.",
    "Instructed to go to the ED for {fever|R50.9|hypothetical}, {vomiting|R11.10|hypothetical}.",
    "Go to the nearest emergency department with {chest pain|R07.9|hypothetical}.",
    "Return precautions for {fever|R50.9|hypothetical} or {infection|B99.9|hypothetical} were given.",
    "Return precautions: {fever|R50.9|hypothetical}, {rash|R21|hypothetical}.",
    "Seek medical attention for {syncope|R55|hypothetical}.",
    "He went to the ED for {chest pain|R07.9}.",
    "Return to clinic for follow-up of {hypertension|I10}.",
    "Risks include {bleeding|R58|hypothetical}, {infection|B99.9|hypothetical} and {stroke|I63.9|hypothetical}.",
    "At risk for {falls|W19.XXXA|hypothetical}.",
    "Heparin to prevent {DVT|I82.409|hypothetical}.",
    "{DVT|I82.409|hypothetical} prophylaxis.",
    "Tylenol p.r.n. for {pain|R52|hypothetical}.",
    "Should he have {chest pain|R07.9|hypothetical}, call 911.",
    "{Seizure|R56.9|hypothetical} precautions.",
    "DISCHARGE INSTRUCTIONS: Watch for {swelling|R60.9|hypothetical}. {Drainage|R58|hypothetical}.",
    "COMPLICATIONS: {Bleeding|R58}.",
    "If no {fever|R50.9|hypothetical} tomorrow, discharge.",
    "OTITIS: your child may have {ear pain|H92.09|hypothetical}. {Fever|R50.9|hypothetical} is treated at home."
    " You can give fluids.",
    "You were seen for {pneumonia|J18.9}. Your doctor will call you. You had a film.",
]

WITHIN = [
    "{Nonsmoker|Z72.0|absent}.",
    "He is a {non-smoker|Z72.0|absent} with {gout|M10.9}.",
    "{Never smoker|Z72.0|absent}. {Obesity|E66.9}.",
    "{Never smoked|Z72.0|absent}, {asthma|J45.909}.",
    "{Nonalcoholic steatohepatitis|K75.81}.",
    "{Sepsis, possible source unknown|A41.9}.",
]

TABLES = {
    "negation": NEGATION,
    "within": WITHIN,
    "negation behind": NEGATION_BEHIND,
    "ends of reach": ENDS_OF_REACH,
    "templates": TEMPLATES,
    "pseudo cues": PSEUDO_CUES,
    "possible": POSSIBLE,
    "historical": HISTORICAL,
    "family": FAMILY,
    "hypothetical": HYPOTHETICAL,
}


def assert_marked(marked: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the marks expect and what the rules say, by finding."""
    text, mentions = parse_inline(marked)
    said = RULES.assert_spans(Document(text), [(m.start, m.end, m.code) for m in mentions])
    return {m.text: m.assertion for m in mentions}, {m.text: a.assertion for m, a in zip(mentions, said, strict=True)}


@pytest.mark.parametrize(
    "marked", [pytest.param(marked, id=f"{name}: {marked}") for name, table in TABLES.items() for marked in table]
)
def test_says_what_a_reader_would(marked: str) -> None:
    expected, said = assert_marked(marked)
    assert said == expected
