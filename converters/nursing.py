"""NurViD's published class lists, spelled as its authors and the benchmark spell them.

Position in `PROCEDURES` and `ACTIONS` is the 0-based id of the class workbook and of the task 2
lists; the annotation file and the task 1&3 lists count from 1. Typos and truncations are kept,
because labels are matched exactly. Three pairs of actions share one English name (ids 23 and 130,
64 and 75, 95 and 97, from 0), so a name is not a key.
"""

from collections.abc import Mapping
from typing import Final

from schemas.source import QuestionVoice
from schemas.vocabulary import Vocabulary

DATASET: Final = "nurvid"

# Packed by hand: one name a line would bury the code around it.
# fmt: off
PROCEDURES: Final[tuple[str, ...]] = (
    "Surgical Hand Scrub", "Cardiopulmonary Resuscitation WIth Manual Resuscitation Bag",
    "Perineal Care", "Donning and Doffing Isolation Gowns", "Closed Intravenous infusion",
    "Subcutaneous Injection", "Change a Two-Piece Pouching System", "Blood Glucose Monitoring",
    "Intravenous Injection", "Intravenous Blood Sampling", "Oral Care for Unconscious Patients",
    "Logrolling with Draw Sheet", "Vital Sign Assessment", "Use of Restraints",
    "Subcutaneous Injection Insulin", "Nasogastric Gavage", "Transfer with Stretcher",
    "Administering Oral Medications", "Change a One-Piece Pouching System",
    "Intramuscular Injection", "Change Sheets of an Occupied Bed", "Bed Rubbing",
    "Change Wound Dressings", "Oxygen Nebulization", "Wheelchair Transfer Technique",
    "Bed Shampoo", "Urine Specimen Collection", "Penicillin Skin Testing", "Infusion by Pump",
    "High-Volume Colonic Enemas", "Defibrillation", "Arterial Blood Sampling", "Closed Bed Making",
    "Female Retention Catheterization", "Stool Specimen Collection",
    "Oxygen Therapy with Central Oxygen Supply", "Male Retention Catheterization",
    "Modified Seldinger Technique with Ultrasound for PICC Placement", "Throat Swab Collection",
    "Oral and Nasal Suctioning with Electric Suction Device", "Sputum Specimen Collection",
    "Retention Enema", "Peripheral Venous Indwelled Needle Infusion and Maintaince",
    "Injection by Pump", "Electrocardiogram",
    "Oral and Nasal Suctioning with Central Negative Pressure Device", "Aseptic Technique",
    "Nasogastric Tube", "Multi-Parameter Monitoring", "Closed System Blood Transfusion",
    "Skin Preparation",
)
"""Procedure names by workbook id; one less than `operationID` of the annotation file."""

ACTIONS: Final[tuple[str, ...]] = (
    "Clean and scrub the perineum", "Disinfect skin", "Handwashing", "Position the patient",
    "Check", "Inject medication", "Place an underpad", "Venipuncture", "Cleanse skin",
    "Rinse with running water", "Document", "Secure ostomy bag", "Perform surgical hand scrub",
    "Blood collection", "Prepare medication solution", "Release trapped air", "Select a vein",
    "Immobilize the shoulder", "Remove needle", "Perform subcutaneous puncture",
    "Measure blood glucose level", "Remove ostomy bag", "Connect infusion device",
    "Remove isolation gown", "Apply leak prevention ointment", "Prepare glucometer",
    "Perform chest compressions", "Assist with ventilation using a simple respirator",
    "Draw bed curtains", "Turn patient to left lateral position", "Trim ostomy bag baseplate",
    "Establish a sterile zone", "Spread the proximal bedshee", "Rinse shampoo",
    "Insert urinary catheter", "Measure blood pressure", "Apply skin protection film",
    "Put on isolation gown", "Insert rectal tube", "Prepare medications", "Apply shampoo",
    "Perform seven-step handwashing technique", "Aspirate medication",
    "Assist patient taking medicine", "Measure body temperature", "Set parameters",
    "Measure pulse", "Remove proximal bedsheet", "Transport in wheelchair", "Fill in dressing",
    "Rub upper limbs", "Install nebulizer", "Wash face", "Insert gastric tube",
    "Spread the opposite side bed sheet", "Identify cardiac arrest", "Remove rectal tube",
    "Perform intradermal puncture", "Moisten hair", "Prepare defibrillation device", "Dry hair",
    "Confirm the position of the gastric tube in the stomach", "Secure the base", "Cleanse lips",
    "Defibrillate", "Cleanse chest and abdomen", "Cleanse back", "Open airway",
    "Cleanse outer surfaces of teeth", "Adjust oxygen flow rate", "Tie waist knot", "Dry hands",
    "Withdraw the opposite side bed sheet", "Measure the length of the gastric tube",
    "Spray stoma care powder", "Defibrillate", "Remove dressing", "Perform arterial puncture",
    "Collect urine specimen", "Spread the large sheet", "Administer oxygen", "Guide nebulization",
    "Check and secure the tubing", "Rub lower limbs", "Mix blood sample",
    "Prepare skin test solution", "Secure gastric tube", "Nasogastric feeding",
    "Collect stool specimen", "Measure respiration", "Change upper clothing", "Wear gloves",
    "Collect pharyngeal swab specimen", "Two-person transfer", "Adjust drip rate",
    "Cleanse inner surfaces of teeth", "Connect lead wires", "Cleanse inner surfaces of teeth",
    "Collect sputum specimen", "Prepare operating space", "PICC insertion",
    "Remove the base plate", "Connect suction catheter", "Loosen isolation gown",
    "Perform oral-pharyngeal suction", "Remove urinary catheter",
    "Install oxygen inhalation device", "Assist with bed rest", "Withdraw the introducer sheath",
    "Check the thermometer", "Perform surgical hand disinfection", "Fasten buckle",
    "Shift to the right side", "Organize the bed unit", "Perform three-person transfer",
    "Cover pillow with pillowcase", "Select the needle puncture site", "Cleanse perineum",
    "Comb hair", "Inspect urinary catheter", "Perform four-person transfer",
    "Adjust negative pressure", "Secure urinary catheter", "Observe skin around wound site",
    "Observe results of skin test", "Change pillowcase", "Flush the sealed tube",
    "Withdraw nebulizer", "Secure the indwelling needle", "Soak feet", "Remove isolation gown",
    "Dispose of arterial blood collection device", "Cleanse cheeks",
    "Check the blood pressure meter", "Replace clean bedsheet", "Move and transfer",
    "Evaluate wound status", "Rinse suction catheter", "Expose the connection sit",
    "Evaluate resuscitation effect", "Connect the monitor", "Measure the length of PICC catheter",
    "Perform nasopharyngeal and nasotracheal suction", "Observe drainage situation",
    "Save electrocardiogram (ECG) results", "Remove the lead wires",
    "Perform single-person transfer", "Connect suction tube", "Prepare cotton balls",
    "Cleanse hard palate", "Cleanse tongue surface", "Connect injection device",
    "Withdraw contaminated bed shee", "Transfuse blood", "Withdraw oxygen inhalation device",
    "Remove gastric tube", "Organize the blood pressure mete", "Disinfect instruments",
    "Change dressing", "Observe defibrillation results", "Take treatment towels",
    "Apply conductive gel", "Cover with bed sheet", "Rinse mouth", "Change pants",
    "Secure drainage tube", "Check medication", "Take treatment bowl", "Pour sterile solution",
    "Cleanse oral cavity bottom", "Restrict knee", "Mark", "Monitor blood oxygen saturation",
    "Check the pressure reducer", "Inspect skin", "Perform endotracheal suctioning",
    "Monitor electrocardiogram (ECG)",
)
"""Action names by workbook id; one less than `actionID` of the annotation file."""

CANDIDATE_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Surgical Hand Scrub": (
        "Dry hands", "Perform seven-step handwashing technique",
        "Perform surgical hand disinfection", "Perform surgical hand scrub",
        "Rinse with running water",
    ),
    "Cardiopulmonary Resuscitation WIth Manual Resuscitation Bag": (
        "Administer oxygen", "Assist with ventilation using a simple respirator", "Defibrillate",
        "Identify cardiac arrest", "Open airway", "Perform chest compressions",
    ),
    "Perineal Care": (
        "Clean and scrub the perineum", "Draw bed curtains", "Place an underpad",
        "Position the patient",
    ),
    "Donning and Doffing Isolation Gowns": (
        "Fasten buckle", "Handwashing", "Loosen isolation gown", "Put on isolation gown",
        "Remove isolation gown", "Tie waist knot",
    ),
    "Closed Intravenous infusion": (
        "Adjust drip rate", "Check", "Connect infusion device", "Disinfect skin", "Document",
        "Handwashing", "Release trapped air", "Remove needle", "Select a vein", "Venipuncture",
    ),
    "Subcutaneous Injection": (
        "Aspirate medication", "Disinfect skin", "Handwashing", "Inject medication",
        "Perform subcutaneous puncture", "Release trapped air", "Remove needle",
    ),
    "Change a Two-Piece Pouching System": (
        "Apply leak prevention ointment", "Apply skin protection film", "Cleanse skin",
        "Handwashing", "Remove ostomy bag", "Remove the base plate", "Secure ostomy bag",
        "Secure the base", "Spray stoma care powder", "Trim ostomy bag baseplate",
    ),
    "Blood Glucose Monitoring": (
        "Disinfect skin", "Document", "Handwashing", "Measure blood glucose level",
        "Prepare glucometer",
    ),
    "Intravenous Injection": (
        "Check", "Disinfect skin", "Document", "Handwashing", "Inject medication",
        "Prepare medication solution", "Release trapped air", "Select a vein", "Venipuncture",
    ),
    "Intravenous Blood Sampling": (
        "Blood collection", "Check", "Disinfect skin", "Document", "Handwashing",
        "Mix blood sample", "Select a vein", "Venipuncture",
    ),
    "Oral Care for Unconscious Patients": (
        "Check", "Cleanse inner surfaces of teeth", "Cleanse lips",
        "Cleanse outer surfaces of teeth", "Document", "Handwashing", "Place an underpad",
        "Position the patient", "Prepare cotton balls",
    ),
    "Logrolling with Draw Sheet": (
        "Check", "Check and secure the tubing", "Handwashing", "Shift to the right side",
        "Turn patient to left lateral position",
    ),
    "Vital Sign Assessment": (
        "Check the blood pressure meter", "Check the thermometer", "Document", "Handwashing",
        "Measure blood pressure", "Measure body temperature", "Measure pulse",
        "Measure respiration",
    ),
    "Use of Restraints": ("Immobilize the shoulder",),
    "Subcutaneous Injection Insulin": (
        "Disinfect skin", "Inject medication", "Prepare medication solution",
    ),
    "Nasogastric Gavage": (
        "Confirm the position of the gastric tube in the stomach", "Handwashing",
        "Insert gastric tube", "Measure the length of the gastric tube", "Nasogastric feeding",
        "Place an underpad", "Position the patient", "Remove gastric tube", "Secure gastric tube",
    ),
    "Transfer with Stretcher": ("Move and transfer", "Perform four-person transfer"),
    "Administering Oral Medications": (
        "Assist patient taking medicine", "Check", "Document", "Handwashing",
        "Organize the bed unit", "Position the patient", "Prepare medications",
    ),
    "Change a One-Piece Pouching System": (
        "Apply leak prevention ointment", "Apply skin protection film", "Cleanse skin",
        "Handwashing", "Remove ostomy bag", "Secure ostomy bag", "Trim ostomy bag baseplate",
    ),
    "Intramuscular Injection": (
        "Check", "Disinfect skin", "Handwashing", "Inject medication", "Position the patient",
        "Prepare medication solution",
    ),
    "Change Sheets of an Occupied Bed": (
        "Change pillowcase", "Handwashing", "Prepare operating space", "Remove proximal bedsheet",
        "Replace clean bedsheet", "Spread the opposite side bed sheet",
        "Spread the proximal bedshee", "Withdraw contaminated bed shee",
        "Withdraw the opposite side bed sheet",
    ),
    "Bed Rubbing": (
        "Change upper clothing", "Cleanse back", "Cleanse chest and abdomen", "Cleanse perineum",
        "Handwashing", "Rub lower limbs", "Rub upper limbs", "Soak feet", "Wash face",
    ),
    "Change Wound Dressings": ("Cleanse skin", "Document", "Fill in dressing", "Handwashing"),
    "Oxygen Nebulization": (
        "Adjust oxygen flow rate", "Guide nebulization", "Install nebulizer", "Withdraw nebulizer",
    ),
    "Wheelchair Transfer Technique": ("Assist with bed rest", "Transport in wheelchair"),
    "Bed Shampoo": (
        "Apply shampoo", "Comb hair", "Dry hair", "Moisten hair", "Place an underpad",
        "Rinse shampoo",
    ),
    "Urine Specimen Collection": ("Check", "Collect urine specimen", "Handwashing"),
    "Penicillin Skin Testing": (
        "Check", "Disinfect skin", "Handwashing", "Observe results of skin test",
        "Perform intradermal puncture", "Prepare skin test solution", "Release trapped air",
    ),
    "Infusion by Pump": (
        "Connect infusion device", "Flush the sealed tube", "Release trapped air",
        "Set parameters",
    ),
    "High-Volume Colonic Enemas": (
        "Check", "Inject medication", "Insert rectal tube", "Place an underpad",
        "Position the patient", "Remove rectal tube",
    ),
    "Defibrillation": (
        "Defibrillate", "Observe defibrillation results", "Prepare defibrillation device",
    ),
    "Arterial Blood Sampling": (
        "Blood collection", "Check", "Disinfect skin",
        "Dispose of arterial blood collection device", "Handwashing", "Mix blood sample",
        "Perform arterial puncture",
    ),
    "Closed Bed Making": (
        "Cover pillow with pillowcase", "Prepare operating space", "Spread the large sheet",
    ),
    "Female Retention Catheterization": (
        "Disinfect skin", "Establish a sterile zone", "Insert urinary catheter",
        "Remove urinary catheter",
    ),
    "Stool Specimen Collection": ("Check", "Collect stool specimen", "Handwashing", "Wear gloves"),
    "Oxygen Therapy with Central Oxygen Supply": (
        "Adjust oxygen flow rate", "Administer oxygen", "Handwashing",
        "Install oxygen inhalation device", "Withdraw oxygen inhalation device",
    ),
    "Male Retention Catheterization": (
        "Disinfect skin", "Establish a sterile zone", "Insert urinary catheter",
        "Position the patient", "Remove urinary catheter",
    ),
    "Modified Seldinger Technique with Ultrasound for PICC Placement": (
        "Check and secure the tubing", "Disinfect skin", "Establish a sterile zone",
        "PICC insertion", "Withdraw the introducer sheath",
    ),
    "Throat Swab Collection": ("Collect pharyngeal swab specimen", "Document"),
    "Oral and Nasal Suctioning with Electric Suction Device": (
        "Adjust negative pressure", "Check", "Connect suction catheter", "Handwashing",
        "Perform nasopharyngeal and nasotracheal suction", "Perform oral-pharyngeal suction",
        "Rinse suction catheter",
    ),
    "Sputum Specimen Collection": (
        "Check", "Collect sputum specimen", "Handwashing", "Wear gloves",
    ),
    "Retention Enema": (
        "Check", "Handwashing", "Inject medication", "Insert rectal tube", "Organize the bed unit",
        "Place an underpad", "Position the patient", "Remove rectal tube",
    ),
    "Peripheral Venous Indwelled Needle Infusion and Maintaince": (
        "Connect infusion device", "Disinfect skin", "Flush the sealed tube", "Handwashing",
        "Remove needle", "Secure the indwelling needle", "Venipuncture",
    ),
    "Injection by Pump": ("Connect injection device", "Set parameters"),
    "Electrocardiogram": (
        "Connect lead wires", "Expose the connection sit", "Remove the lead wires",
        "Save electrocardiogram (ECG) results",
    ),
    "Oral and Nasal Suctioning with Central Negative Pressure Device": (
        "Connect suction catheter", "Organize the bed unit", "Perform endotracheal suctioning",
        "Perform nasopharyngeal and nasotracheal suction", "Perform oral-pharyngeal suction",
    ),
    "Aseptic Technique": ("Check", "Take treatment towels"),
    "Nasogastric Tube": (
        "Check the pressure reducer", "Document", "Insert gastric tube",
        "Measure the length of the gastric tube", "Observe drainage situation",
        "Position the patient",
    ),
    "Multi-Parameter Monitoring": ("Connect the monitor", "Monitor blood oxygen saturation"),
    "Closed System Blood Transfusion": (
        "Check", "Handwashing", "Release trapped air", "Transfuse blood",
    ),
    "Skin Preparation": ("Cleanse skin", "Handwashing", "Position the patient"),
}
"""Closed action list of each procedure, in published order.

The lists are those of the MedVidBench evaluator, which are subsets of what the videos show. It has
none for Arterial Blood Sampling and Injection by Pump; theirs hold every action that the annotation
file gives to their videos.
"""
# fmt: on

_REPAIRED: Final = {
    "Cardiopulmonary Resuscitation WIth Manual Resuscitation Bag": (
        "cardiopulmonary resuscitation with manual resuscitation bag"
    ),
    "Expose the connection sit": "expose the connection site",
    "Organize the blood pressure mete": "organize the blood pressure meter",
    "Peripheral Venous Indwelled Needle Infusion and Maintaince": (
        "peripheral venous indwelled needle infusion and maintenance"
    ),
    "Spread the proximal bedshee": "spread the proximal bedsheet",
    "Withdraw contaminated bed shee": "withdraw contaminated bed sheet",
}
_ACRONYMS: Final = ("PICC", "(ECG)")


def _phrase(label: str) -> str:
    words = (word if word in _ACRONYMS else word.lower() for word in label.split(" "))
    return _REPAIRED.get(label) or " ".join(words)


def _vocabulary(name: str, names: tuple[str, ...]) -> Vocabulary:
    labels = tuple(dict.fromkeys(names))
    return Vocabulary(name=name, labels=labels, phrases={label: _phrase(label) for label in labels})


VOCABULARIES: Final[Mapping[str, Vocabulary]] = {
    "procedure": _vocabulary("procedure", PROCEDURES),
    "action": _vocabulary("action", ACTIONS),
}
"""Distinct names in order of first id: 51 procedures, and 174 names of 177 actions."""

SHARED_NAMES: Final = frozenset(name for name in ACTIONS if ACTIONS.count(name) > 1)
"""Action names that stand for two ids."""

VOICE: Final = QuestionVoice(
    roles=(
        "You are an experienced nurse educator who reviews recordings of clinical procedures.",
        "Act as a nurse with a sharp eye for every step of patient care.",
        "You judge nursing skills from video and know how each procedure is carried out.",
        "As a specialist in nursing practice, you read footage of patient care step by step.",
        "Your work is to audit filmed nursing procedures, action by action.",
        "You support nursing students by explaining what happens in procedure videos.",
    ),
    contexts=(
        "Here is an excerpt of a video in which {procedure} is carried out.",
        "You are given a stretch of a nursing video on {procedure}.",
        "These frames were taken from footage of one nursing procedure, {procedure}.",
        "The excerpt belongs to a recording about {procedure}.",
        "What you see is a portion of {procedure}, filmed while it is performed.",
        "A nursing video on the subject of {procedure} supplied this excerpt.",
    ),
    step_word="nursing actions",
)
