"""What an operator sets: truth, database, limits, and what visitors may see."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from schemas.errors import ConfigError
from schemas.scalars import Model, PositiveInt

PREFIX: Final = "MEDVID_LEADERBOARD_"
ADMIN_TOKEN_VARIABLE: Final = PREFIX + "ADMIN_TOKEN"
LEAST_TOKEN_CHARS: Final = 16

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[int, Field(ge=0)]


class LeaderboardSettings(Model):
    """How a leaderboard runs.

    Every field can be set by an environment variable: `MEDVID_LEADERBOARD_` and the field's name in
    capitals. The admin's token is read from `MEDVID_LEADERBOARD_ADMIN_TOKEN` alone and is no field,
    so that no dump of the settings holds it.

    Attributes:
        truth: Folder of a release, or an official json with answers; read by the server alone.
        split: Split of a release.
        subset: Subset of a release.
        database: SQLAlchemy URL; SQLite by default, `postgresql+psycopg://…` for more.
        title: Heading of the page.
        host: Address to listen on; loopback unless told otherwise.
        port: Port to listen on; 0 for any free one.
        max_upload_bytes: Largest file that is taken, refused while it is still being sent.
        time_limit_s: Wall-clock seconds an evaluation may take.
        caption_time_limit_s: The same of the second step, which waits for a judge.
        memory_bytes: Address space an evaluation may take.
        workers: Processes that evaluate; one more does the captions.
        lease_s: Seconds after which a job whose worker fell silent goes back to the queue.
        max_attempts: How often a job is begun before it counts as failed.
        uploads_per_hour: Uploads of one client address in an hour; 0 for no limit.
        team_uploads_per_day: Uploads of one team in a day, whatever its addresses; 0 for no limit.
        admin_tries_per_hour: Wrong tokens of one client address in an hour.
        trusted_proxies: Proxies in front of the server whose `X-Forwarded-For` is believed.
        show_truth: Whether the comparison of two entries shows the truth. Off for a hosted test.
        show_predictions: Whether it shows the answers of entries.
        show_published: Whether the published scores stand in the table.
        captions: Second step: `auto` asks the judge that MEDVID_LLM_BASE_URL names, and compares
            by meaning where there is none; `judge` and `similarity` do one of these alone.
        judge_profile: Wording of the judge.
        judge_cache: Folder in which the judge's paid answers are kept.
        min_group_rows: Rows below which a source or task is left out of an entry's breakdown,
            so that single answers cannot be told from it.
        draws: Resamplings behind intervals; 0 leaves them out.
    """

    truth: Path
    split: str = "test"
    subset: str = "large"
    database: str = "sqlite:///leaderboard.sqlite"
    title: Annotated[str, Field(min_length=1, max_length=120)] = "MedVidBench leaderboard"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 7860
    max_upload_bytes: PositiveInt = 25 << 20
    time_limit_s: Positive = 600.0
    caption_time_limit_s: Positive = 3_600.0
    memory_bytes: Annotated[int, Field(ge=512 << 20)] = 4 << 30
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    lease_s: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    max_attempts: PositiveInt = 3
    uploads_per_hour: NotNegative = 20
    team_uploads_per_day: NotNegative = 10
    admin_tries_per_hour: PositiveInt = 10
    trusted_proxies: NotNegative = 0
    show_truth: bool = False
    show_predictions: bool = True
    show_published: bool = True
    captions: Literal["auto", "judge", "similarity", "none"] = "auto"
    judge_profile: Literal["clinical", "official"] = "official"
    judge_cache: Path = Path("judge-cache")
    min_group_rows: PositiveInt = 10
    draws: Annotated[int, Field(ge=0, le=10_000)] = 1_000

    @model_validator(mode="after")
    def _truth_needs_predictions(self) -> Self:
        if self.show_truth and not self.show_predictions:
            raise ValueError("show_truth needs show_predictions: they are shown side by side")
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables.

        Args:
            environment: Variables by name; the process's own by default.

        Raises:
            ConfigError: A variable means nothing, or the truth is not named.
        """
        variables = os.environ if environment is None else environment
        given = {
            name: variables[PREFIX + name.upper()].strip()
            for name in cls.model_fields
            if variables.get(PREFIX + name.upper(), "").strip()
        }
        return cls.of(given)

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Self:
        """Make settings of values by name.

        Raises:
            ConfigError: A value means nothing; the first is named.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"]) or "settings"
            raise ConfigError(
                f"{first['msg']}.", field=name,
                action=f"Set {PREFIX}{name.upper()} or the option of that name.",
            ) from error  # fmt: skip


def admin_token(environment: Mapping[str, str] | None = None) -> str | None:
    """Read the admin's token; None where there is none, and then nobody is admin.

    Raises:
        ConfigError: It is too short to be a secret.
    """
    variables = os.environ if environment is None else environment
    token = variables.get(ADMIN_TOKEN_VARIABLE, "").strip()
    if not token:
        return None
    if len(token) < LEAST_TOKEN_CHARS:
        raise ConfigError(
            f"the admin's token has fewer than {LEAST_TOKEN_CHARS} characters.",
            field=ADMIN_TOKEN_VARIABLE, action="Set a longer one, e.g. of `openssl rand -hex 24`.",
        )  # fmt: skip
    return token
