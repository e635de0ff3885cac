"""The Hub's rules for a data card, checked offline: its own validation asks a server."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

SIZE_CATEGORIES: Final = {
    1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M", 100_000_000: "10M<n<100M",
}  # fmt: skip
"""The Hub's names of sizes by their upper bound, exclusive."""

HUB_LICENCES: Final = frozenset({
    "apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-4.0", "cc0-1.0", "mit",
})  # fmt: skip
"""Ids of licences that the Hub knows by the name our registry gives them."""

TASK_CATEGORIES: Final = ("video-text-to-text", "visual-question-answering")
"""The Hub's tasks that releases serve."""

HEADINGS: Final = ("Counts", "Splits", "How to load", "Licences", "Citations", "Limits")
"""Sections a card must have and fill."""

_FIELDS: Final[Mapping[str, type]] = {
    "pretty_name": str, "language": list, "license": str, "task_categories": list,
    "size_categories": list, "tags": list, "configs": list,
}  # fmt: skip
_OPTIONAL: Final[Mapping[str, type]] = {"license_name": str, "license_link": str}
_CONFIG_NAME: Final = re.compile(r"[^<>:/\\|?*\s]+")
_SPLIT_NAME: Final = re.compile(r"\w+(\.\w+)*")
_LICENCE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LICENCE_LINK: Final = re.compile(r"LICENSE(\.md)?|https?://\S+")


class _UniqueLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, where YAML would keep the last."""


def _mapping(loader: _UniqueLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"{twice} stand twice")
    return loader.construct_mapping(node, deep=True)


_UniqueLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def check_card(text: str) -> list[str]:
    """Check a data card as the Hub would, and that no section is missing.

    Args:
        text: The whole `README.md`.

    Returns:
        What is wrong, a sentence each; empty where nothing is.
    """
    front, body, fault = _split_card(text)
    if fault:
        return [fault]
    try:
        fields = yaml.load(front, Loader=_UniqueLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        return [f"The front matter is not YAML: {error}"]
    if not isinstance(fields, dict):
        return ["The front matter is no mapping."]
    faults = list(_check_fields(fields))
    if not faults:
        faults.extend(_check_licence(fields))
        faults.extend(_check_lists(fields))
        faults.extend(_check_configs(fields["configs"]))
    return [*faults, *_check_body(body)]


def _split_card(text: str) -> tuple[str, str, str]:
    """Front matter, body, and what is wrong with the way they are put together."""
    lines = text.split("\n")
    if lines[0] != "---":
        return "", "", "The card does not begin with a line of three hyphens."
    if "---" not in lines[1:]:
        return "", "", "The front matter is not closed by a line of three hyphens."
    end = lines.index("---", 1)
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), ""


def _check_fields(fields: Mapping[Any, Any]) -> Iterator[str]:
    for name in _FIELDS:
        if name not in fields:
            yield f"Field {name} is missing."
    known = {**_FIELDS, **_OPTIONAL}
    for name, value in fields.items():
        if name not in known:
            yield f"Field {name!r} is none of {', '.join(known)}."
        elif not isinstance(value, known[name]) or not value:
            yield f"Field {name} must be a filled {known[name].__name__}, not {value!r}."


def _check_licence(fields: Mapping[str, Any]) -> Iterator[str]:
    licence, name = fields["license"], fields.get("license_name")
    if licence == "other":
        if name is None or not _LICENCE_NAME.fullmatch(name):
            yield f"License other needs a license_name in small letters, not {name!r}."
    elif licence not in HUB_LICENCES:
        yield f"License {licence!r} is not known to the Hub; say `other` with a license_name."
    elif name is not None:
        yield "A license_name stands only beside `license: other`."
    link = fields.get("license_link")
    if link is not None and not _LICENCE_LINK.fullmatch(link):
        yield f"Link {link!r} is neither LICENSE, nor LICENSE.md, nor an address."


def _check_lists(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, allowed in (
        ("task_categories", TASK_CATEGORIES),
        ("size_categories", tuple(SIZE_CATEGORIES.values())),
        ("language", ("en",)),
    ):
        for value in fields[name]:
            if value not in allowed:
                yield f"{name} {value!r} is none of {', '.join(allowed)}."
    for tag in fields["tags"]:
        if not isinstance(tag, str) or not tag.strip():
            yield f"Tag {tag!r} is no text."


def _check_configs(configs: list[Any]) -> Iterator[str]:
    names = [config.get("config_name") if isinstance(config, dict) else None for config in configs]
    if len({str(name) for name in names}) != len(names):
        yield f"A config_name stands twice in {names}."
    if sum(isinstance(c, dict) and c.get("default") is True for c in configs) != 1:
        yield "Exactly one config must be the default."
    for name, config in zip(names, configs, strict=True):
        if not isinstance(name, str) or not _CONFIG_NAME.fullmatch(name):
            yield f"config_name {name!r} is no name of a config."
        else:
            yield from _check_files(name, config.get("data_files"))


def _check_files(name: str, files: object) -> Iterator[str]:
    if not isinstance(files, list) or not files:
        yield f"Config {name} has no data_files."
        return
    splits = [item.get("split") if isinstance(item, dict) else None for item in files]
    if len({str(split) for split in splits}) != len(splits):
        yield f"Config {name} names a split twice."
    for split, item in zip(splits, files, strict=True):
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
            yield f"Config {name}: {split!r} is no name of a split."
        elif not isinstance(path, str) or not path.endswith(".tar"):
            yield f"Config {name}: path {path!r} matches no tar."
        elif PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            yield f"Config {name}: path {path!r} leaves the release."


def _check_body(body: str) -> Iterator[str]:
    sections = re.split(r"^## (.*)$", body, flags=re.MULTILINE)
    filled = {
        title.strip(): text.strip()
        for title, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    for heading in HEADINGS:
        if not filled.get(heading):
            yield f"Section {heading!r} is missing or empty."
