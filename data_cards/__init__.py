"""One card a source: front matter is data (licence, citation, access), the body is for people."""

from functools import cache
from importlib.resources import files

import yaml
from pydantic import ValidationError

from schemas.errors import ConfigError
from schemas.source import DataCard, Licence


@cache
def load_licences() -> dict[str, Licence]:
    """Every registered licence by id."""
    text = (files(__name__) / "licences.yaml").read_text(encoding="utf-8")
    return {key: Licence(id=key, **flags) for key, flags in yaml.safe_load(text).items()}


@cache
def load_card(name: str) -> DataCard:
    """Load the front matter of a source's card.

    Raises:
        ConfigError: There is no card, it has no front matter, or its licence is not registered.
    """
    source = f"data_cards/{name}.md"
    resource = files(__name__) / f"{name}.md"
    if not resource.is_file():
        raise ConfigError("there is no data card.", source=source, action="Write the card.")
    _, _, rest = resource.read_text(encoding="utf-8").partition("---\n")
    front, closed, _ = rest.partition("\n---\n")
    if not closed:
        raise ConfigError("the card has no front matter.", source=source, action="Add it.")
    fields = yaml.safe_load(front)
    licences = load_licences()
    if fields.get("licence") not in licences:
        raise ConfigError(
            f"licence {fields.get('licence')!r} is not registered.", source=source,
            action="Register it in data_cards/licences.yaml.",
        )  # fmt: skip
    try:
        return DataCard(**(fields | {"licence": licences[fields["licence"]]}))
    except ValidationError as error:
        raise ConfigError(f"bad front matter: {error}", source=source) from error
