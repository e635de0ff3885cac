"""Closed word lists: the verbs labels are made of, nouns by grammar, names that keep a capital."""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERBS: Final = _words(
    "adjust administer apply arrange aspirate assess assist attach auscultate bandage calibrate"
    " cauterize change check clamp clean cleanse clip close coagulate collect comb compress"
    " confirm connect cover cut defibrillate deliver detach dilate disconnect discard disinfect"
    " dispose dissect divide document doff don drain draw drop dry establish evaluate examine"
    " expose extract fasten fill fix flush grasp guide hold identify immobilize inflate inject"
    " insert inspect install intubate irrigate label ligate lift locate loosen make mark measure"
    " mix moisten monitor move observe obtain open organize orient pack palpate perform place"
    " position pour prepare press pull push put raise reach record release remove replace restrict"
    " retract rinse roll rotate rub save scrub secure select set shift soak spray spread stabilize"
    " sterilize straighten suture swab take tie tighten transfer transfuse transport trim turn"
    " unfold unwrap use ventilate wash wear weigh wipe withdraw wrap"
)
"""First words that make a label an imperative, or, in -ing, an activity."""

OBJECTLESS: Final = _words("check cover document mark move position shift transfer transport turn")
"""Verbs that need an object to say anything; without one the label is spoken of as an activity."""

PHRASAL: Final = frozenset(
    {
        ("put", "on"), ("take", "off"), ("fill", "in"), ("dispose", "of"), ("reach", "for"),
        ("assist", "with"), ("draw", "up"), ("set", "up"), ("turn", "on"), ("turn", "off"),
    }
)  # fmt: skip
"""Verb and particle that belong together, so that a noun phrase follows."""

NO_PASSIVE: Final = _words("assist reach wear")

IRREGULAR_PARTICIPLES: Final = {
    "cut": "cut", "draw": "drawn", "hold": "held", "make": "made", "put": "put", "set": "set",
    "spread": "spread", "take": "taken", "wear": "worn", "withdraw": "withdrawn", "bind": "bound",
    "feed": "fed", "find": "found", "give": "given", "hang": "hung", "keep": "kept",
    "lay": "laid", "leave": "left", "read": "read", "sew": "sewn", "split": "split",
    "stick": "stuck", "sweep": "swept", "tear": "torn", "wind": "wound", "write": "written",
}  # fmt: skip

DOUBLING: Final = _words("admit begin commit occur refer submit transfer")
"""Longer verbs stressed on their last syllable, which double its consonant."""

PREPOSITIONS: Final = _words(
    "after against around at before between by for from in into of off on onto over through to"
    " under using via with within without"
)

DETERMINERS: Final = _words(
    "a an the both more each every all some any no one two three four this that these those"
)

SINGULAR_S: Final = _words("bias bolus callus gas iris lens pancreas pelvis plexus thrombus")
PLURALS: Final = _words("feet teeth people children men women vertebrae bronchi ova data media")

DEFINITE_PLURALS: Final = _words(
    "cheeks curtains ears edges ends eyes feet hands legs limbs lips parameters points results"
    " surfaces teeth toes wires wounds arms"
)
"""Plural nouns that stand for given things, so that they take an article."""

MASS: Final = _words(
    "air anesthesia arrest blood collection disinfection feeding film fluid gel handwashing"
    " hemostasis insertion irrigation medication medicine nebulization ointment oxygen powder"
    " pressure resection respiration rest saturation shampoo smoke suction suctioning surgery"
    " temperature urine venipuncture ventilation water traction countertraction tissue"
)
"""Nouns that need no article."""

COUNTED: Final = _words("transfer puncture incision injection biopsy transfusion infusion enema")
"""Nouns that take `a` where a label names an activity with them."""

BARE_AFTER_PREPOSITION: Final = frozenset({"left", "right", "grip", "place"})

INDEFINITE_VERBS: Final = _words("perform make")
"""Verbs whose singular object comes into being, so that it takes `a`."""

PROPER: Final = {
    name.lower(): name
    for name in (
        "Allis", "Babcock", "Calot", "Doppler", "Foley", "Fowler", "Hasson", "Heimlich", "Kelly",
        "Kirschner", "Kocher", "Maryland", "Petri", "Seldinger", "Strasberg", "Trendelenburg",
        "Veress",
    )
}  # fmt: skip

ACTIVITY_ENDINGS: Final = (
    "ing", "tion", "sion", "ment", "ure", "ance", "ence", "sis", "scopy", "tomy", "plasty",
    "care", "therapy", "transfer", "scrub", "test", "count", "check", "wash", "ectomy", "assay",
)  # fmt: skip
"""How the last word of a noun label ends that can be `performed`."""
