"""Croissant 1.1 metadata of a release: its files, its tables, what may be done with it.

Written by hand after the Croissant Format Specification 1.1 and the Croissant RAI Specification
1.0; the reference library is no part of the environment.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from medvid.releases.card import LABEL_SUFFIX, known_limits
from medvid.releases.croissant_records import Node, record_sets
from medvid.releases.facts import ReleaseFacts
from medvid.releases.report import is_web_address
from medvid.releases.terms import Terms, listed, strictest_terms
from schemas.scalars import SCHEMA_VERSION
from schemas.source import DataCard, Licence

CONFORMS_TO: Final = (
    "http://mlcommons.org/croissant/1.1",
    "http://mlcommons.org/croissant/RAI/1.0",
)

_CROISSANT_TERMS: Final = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator",
    "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip

CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "cc": "http://creativecommons.org/ns#",
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}
"""Croissant's own context with the vocabularies of provenance and terms of use."""

_TAR, _PARQUET = "application/x-tar", "application/x-parquet"
_FORMATS: Final = {".tar": _TAR, ".parquet": _PARQUET}
_FILE_SETS: Final = (
    ("media-frames", "media/", "image/jpeg", "*.jpg", "Frames as JPEG, each once."),
    ("large-pairs", "large/", "application/json", "*.json", "All pairs, one JSON each."),
    ("standard-pairs", "standard/", "application/json", "*.json", "The balanced part of train."),
    ("standard-clips", "standard-selfcontained/", "application/json", "*.json",
     "Clips of the balanced part with all their pairs; frames lie beside them."),
)  # fmt: skip
_ACTIONS: Final = (
    ("share_media", "odrl:distribute", "pictures"),
    ("share_labels", "odrl:distribute", "labels and the text made from them"),
    ("derivatives", "odrl:derive", ""),
)
_NON_COMMERCIAL: Final = "duo:0000046"
"""DUO's term for non-commercial use only, whoever the user is."""


def render_croissant(
    facts: ReleaseFacts, files: Mapping[str, tuple[str, int]], date_published: str | None
) -> bytes:
    """Render `croissant.json`: equal arguments give equal bytes.

    Args:
        facts: The release in numbers.
        files: SHA-256 and size of each file by POSIX path; tars and Parquet tables are listed.
        date_published: ISO date; left out where None, of which `mlcroissant` only warns.
    """
    described = {path: files[path] for path in sorted(files) if _format(path)}
    cards = [source.card for source in facts.sources.values()]
    file_sets = list(_file_sets(described))
    splits = {count.split for count in facts.counts if count.samples}
    document: Node = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "name": facts.name,
        "description": _description(facts, cards),
        "conformsTo": list(CONFORMS_TO),
        "version": _version(described),
        "license": [_licence(licence) for licence in strictest_terms(cards).licences],
        "citeAs": "\n\n".join(card.citation.strip() for card in cards),
        "inLanguage": "en",
        "keywords": ["medical video", "instruction tuning", *(card.title for card in cards)],
        "usageInfo": _usage(cards),
        "prov:wasDerivedFrom": [_origin(card) for card in cards],
        "prov:wasGeneratedBy": _activity(facts),
        **_responsible_ai(facts, cards),
        "distribution": [*(_file_object(p, *known) for p, known in described.items()), *file_sets],
        "recordSet": record_sets(described, [node["@id"] for node in file_sets], splits),
    }
    if date_published is not None:
        document["datePublished"] = date_published
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _format(path: str) -> str | None:
    return next((kind for suffix, kind in _FORMATS.items() if path.endswith(suffix)), None)


def _version(files: Mapping[str, tuple[str, int]]) -> str:
    """Semantic version whose build part is a hash of the files: other bytes, other version."""
    digest = hashlib.sha256()
    for path, (sha256, _) in files.items():
        digest.update(f"{path}\n{sha256}\n".encode())
    return f"{SCHEMA_VERSION}.0.0+{digest.hexdigest()[:12]}"


def _description(facts: ReleaseFacts, cards: Sequence[DataCard]) -> str:
    total = sum(count.samples for count in facts.counts)
    standard = sum(count.in_standard for count in facts.counts)
    pictures = f"{facts.frames:,} stored frames" if facts.frames else "labels only, no pictures"
    return (
        f"{total:,} question and answer pairs about clips of {sum(facts.videos.values()):,} "
        f"videos from {listed(card.title for card in cards)}, {standard:,} of them in a balanced "
        f"part of the train split; {pictures}."
    )


def _licence(licence: Licence) -> Node:
    node = {"@type": "sc:CreativeWork", "name": licence.name}
    return node | ({"url": licence.url} if is_web_address(licence.url) else {})


def _origin(card: DataCard) -> Node:
    node = {"@type": "prov:Entity", "name": card.title}
    return node | ({"@id": card.homepage} if _is_iri(card.homepage) else {})


def _is_iri(address: str) -> bool:
    return is_web_address(address) and not any(c.isspace() or c in '<>"{}|\\^`' for c in address)


def _activity(facts: ReleaseFacts) -> Node:
    version = facts.versions.get("medvidbench")
    agent = f"medvidbench {version}" if version else "medvidbench"
    return {
        "@type": "prov:Activity",
        "name": "medvid build",
        "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "name": agent},
    }


def _usage(cards: Sequence[DataCard]) -> list[Node]:
    """The terms of the release as a whole, then those of each source."""
    whole = [_policy("Terms of the release as a whole", strictest_terms(cards))]
    return whole + [_policy(f"Terms of {card.title}", strictest_terms([card])) for card in cards]


def _policy(name: str, terms: Terms) -> Node:
    """Flags as an ODRL policy, after Croissant 1.1, "Data Use Conditions"."""
    use: Node = {"@type": "odrl:Permission", "odrl:action": {"@id": "odrl:use"}}
    prohibitions: list[Node] = []
    if not terms.flags["commercial"]:
        use["odrl:constraint"] = {
            "@type": "odrl:Constraint",
            "name": "Non-commercial use only",
            "odrl:leftOperand": {"@id": "odrl:purpose"},
            "odrl:operator": {"@id": "odrl:eq"},
            "odrl:rightOperand": {"@id": _NON_COMMERCIAL},
        }
        prohibitions.append(_rule("Prohibition", "cc:CommercialUse", ""))
    permissions = [use]
    for flag, action, target in _ACTIONS:
        if terms.flags[flag]:
            permissions.append(_rule("Permission", action, target))
            if terms.flags["share_alike"]:
                duty = {"@type": "odrl:Duty", "odrl:action": {"@id": "cc:ShareAlike"}}
                permissions[-1]["odrl:duty"] = duty
        else:
            prohibitions.append(_rule("Prohibition", action, target))
    node: Node = {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "name": name,
        "description": " ".join(terms.sentences) or "All of it may be used and passed on.",
        "odrl:permission": permissions,
    }
    return node | ({"odrl:prohibition": prohibitions} if prohibitions else {})


def _rule(kind: str, action: str, target: str) -> Node:
    node: Node = {"@type": f"odrl:{kind}", "odrl:action": {"@id": action}}
    return node | ({"odrl:target": target} if target else {})


def _responsible_ai(facts: ReleaseFacts, cards: Sequence[DataCard]) -> Node:
    """What the facts tell of collection, annotation, people and limits; nothing beyond."""
    titles = listed(card.title for card in cards)
    shown = listed(sorted({procedure for card in cards for procedure in card.procedures}))
    version = facts.versions.get("medvidbench", "")
    written = sorted({c.qa_type for c in facts.counts if c.qa_type.endswith(LABEL_SUFFIX)})
    protocol = [f"Labels are those that the authors of {titles} published."]
    tools: Node = {}
    if written:
        protocol.append(
            f"Answers of {', '.join(written)} are composed from these labels by rule, without a "
            "language model."
        )
        name = f"medvidbench {version} label-grounded caption writer".replace("  ", " ")
        tools = {"rai:machineAnnotationTools": [name]}
    return {
        "rai:dataCollection": f"Nothing was recorded for this release: videos and labels come "
        f"from {titles}, to which the terms of access of each apply.",
        "rai:dataCollectionType": ["Secondary data analysis"],
        "rai:dataCollectionMissingData": _missing(facts),
        "rai:dataPreprocessingProtocol": [
            "Native labels were brought to one schema; records that break their own format were "
            "dropped, repaired or flagged, each with a reason.",
            "Videos were cut into clips of consecutive labelled segments and sampled at the "
            "highest rate that keeps the number of frames within bounds.",
        ],
        "rai:dataAnnotationProtocol": protocol,
        **tools,
        "rai:personalSensitiveInformation": [
            f"The videos show {shown} and are to be treated as health data.",
            "The field identity holds the source's own number of a person or recording; it keeps "
            "one person in one split. Names of persons are not added to any record.",
        ],
        "rai:dataLimitations": known_limits(facts),
        "rai:dataUseCases": [
            "Training and evaluation of models that answer questions about medical video.",
        ],
    }


def _missing(facts: ReleaseFacts) -> str:
    fates: dict[str, int] = {}
    for source in facts.sources.values():
        for fate, number in source.videos.items():
            fates[fate] = fates.get(fate, 0) + number
    videos = "; ".join(f"{number:,} {fate}" for fate, number in sorted(fates.items()))
    rows = sum(row.rows for row in facts.quarantine)
    return f"Videos: {videos or 'none'}. Rows in quarantine.parquet with their reason: {rows:,}."


def _file_object(path: str, sha256: str, size: int) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{size} B",
        "encodingFormat": _format(path),
        "sha256": sha256,
    }


def _file_sets(files: Mapping[str, tuple[str, int]]) -> list[Node]:
    nodes = []
    for name, folder, encoding, pattern, description in _FILE_SETS:
        tars = [path for path in files if path.startswith(folder) and path.endswith(".tar")]
        if tars:
            nodes.append({
                "@type": "cr:FileSet", "@id": name, "name": name, "description": description,
                "containedIn": [{"@id": path} for path in tars],
                "encodingFormat": encoding, "includes": pattern,
            })  # fmt: skip
    return nodes
