"""What a team says of an entry, cleaned and bounded: strangers' text, shown to strangers."""

import re
import unicodedata
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from schemas.errors import SubmissionError
from schemas.scalars import Model

_FIELDS: Final = {
    "name": "model name", "team": "team", "institution": "institution", "authors": "authors",
    "contact": "contact", "link": "link", "remark": "remark",
}  # fmt: skip
_HIDDEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that show nothing, or turn the direction of what is shown."""

_MAIL: Final = re.compile(r"[^@\s<>]{1,64}@[^@\s<>]{1,189}")


class Registration(Model):
    """A team and its entry.

    Attributes:
        name: The model; unique on the board, whatever its case.
        team: The team.
        institution: Where it works.
        authors: Its members.
        contact: E-mail for the operator, never shown.
        link: Page of the model.
        remark: Anything else.
        evaluate_only: Whether only the team learns its scores.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    team: Annotated[str, Field(min_length=1, max_length=80)]
    institution: Annotated[str, Field(min_length=1, max_length=120)]
    authors: Annotated[str, Field(max_length=600)] = ""
    contact: Annotated[str, Field(max_length=254)] = ""
    link: Annotated[str, Field(max_length=300)] = ""
    remark: Annotated[str, Field(max_length=600)] = ""
    evaluate_only: bool = False

    @field_validator(*_FIELDS, mode="before")
    @classmethod
    def _clean(cls, value: object) -> object:
        return clean_text(value) if isinstance(value, str) else value

    @field_validator("link")
    @classmethod
    def _web_page(cls, link: str) -> str:
        if not link:
            return link
        parts = urlsplit(link)
        if parts.scheme not in ("http", "https") or not parts.hostname or " " in link:
            raise ValueError("a link begins with http:// or https://")
        return link

    @field_validator("contact")
    @classmethod
    def _mail(cls, contact: str) -> str:
        if contact and not _MAIL.fullmatch(contact):
            raise ValueError("this is no e-mail address")
        return contact

    @classmethod
    def of(cls, **given: object) -> Self:
        """Make a registration of what a form holds; None counts as empty.

        Raises:
            SubmissionError: A field is missing, too long or not what it should be.
        """
        try:
            return cls.model_validate({k: "" if v is None else v for k, v in given.items()})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = _FIELDS.get(str(first["loc"][0]), str(first["loc"][0]))
            problem = first["msg"].removeprefix("Value error, ")
            if first["type"] == "string_too_short":
                problem = "this is needed"
            raise SubmissionError(
                f"{problem}.", field=name, action="Correct the field and send the form again."
            ) from error


def clean_text(text: str) -> str:
    r"""Normalise to NFKC, drop what cannot be seen, and make blanks single.

    >>> clean_text("  a\u202eb\n c ")
    'ab c'
    """
    spaced = " ".join(unicodedata.normalize("NFKC", text).split())
    shown = "".join(c for c in spaced if unicodedata.category(c) not in _HIDDEN)
    return " ".join(shown.split())


def name_key(name: str) -> str:
    """What two names share when a person would take them for one.

    >>> name_key("Model  A") == name_key("model a")
    True
    """
    return unicodedata.normalize("NFKC", clean_text(name).casefold())
