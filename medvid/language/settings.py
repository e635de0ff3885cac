"""Which model is asked, how fast, and at what cost at most."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from schemas.errors import ConfigError
from schemas.scalars import Label, Model, PositiveInt

ENVIRONMENT_PREFIX = "MEDVID_LLM_"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LanguageSettings(Model):
    """An OpenAI-compatible endpoint and the limits under which it is asked.

    Every field can be set by an environment variable: `MEDVID_LLM_` and the field's name in
    capitals, e.g. `MEDVID_LLM_BASE_URL`.

    Attributes:
        base_url: Root of the API, as a rule ending in `/v1`.
        model: Name of the model at that endpoint.
        api_key: Its key; never printed, logged or cached. Local servers often need none.
        concurrency: Requests in flight at most.
        requests_per_minute: Requests begun in a minute at most; None for no limit.
        tokens_per_minute: Prompt and completion tokens in a minute at most; None for no limit.
        timeout_s: Seconds until an answer must be there as a whole.
        max_attempts: How often one request is sent at most.
        backoff_base_s: First pause after a failure; doubled with every further one.
        backoff_limit_s: Longest pause of our own choosing.
        retry_after_limit_s: Longest pause an endpoint may ask for before the run ends.
        budget_tokens: Tokens the run may use at most; None for no limit.
        budget_money: Money the run may cost at most, in the unit of the prices.
        price_prompt: Price of a million prompt tokens.
        price_completion: Price of a million completion tokens.
        budget_scope: What counts against the budget: calls of this `run`, or all calls of the
            model in the `cache` (so that killed runs count too).
        image_tokens: Tokens reserved for a picture until the endpoint reports what it took.
        completion_field: Name by which the endpoint knows the limit of completion tokens.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    model: Label
    api_key: SecretStr | None = None
    concurrency: PositiveInt = 8
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout_s: Positive = 60.0
    max_attempts: PositiveInt = 6
    backoff_base_s: Positive = 1.0
    backoff_limit_s: Positive = 60.0
    retry_after_limit_s: Positive = 600.0
    budget_tokens: PositiveInt | None = None
    budget_money: Positive | None = None
    price_prompt: NotNegative = 0.0
    price_completion: NotNegative = 0.0
    budget_scope: Literal["run", "cache"] = "run"
    image_tokens: PositiveInt = 1_100
    completion_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        if self.budget_money is not None and not (self.price_prompt or self.price_completion):
            raise ValueError("a budget in money needs price_prompt or price_completion")
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self | None:
        """Read the settings from environment variables.

        Args:
            environment: Variables by name; the process's own by default.

        Returns:
            The settings, or None where neither base URL nor model is named.

        Raises:
            ConfigError: A variable means nothing, or one of base URL and model is missing.
        """
        variables = os.environ if environment is None else environment
        given = {
            name: variables[variable].strip()
            for name in cls.model_fields
            if variables.get(variable := variable_of(name), "").strip()
        }
        if not {"base_url", "model"} & given.keys():
            return None
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "budget_money"
            raise ConfigError(
                f"{first['msg']}.", field=variable_of(name),
                action="Correct the environment variable.",
            ) from None  # pydantic's own message would repeat the value  # fmt: skip


def variable_of(field: str) -> str:
    """Environment variable of a field of `LanguageSettings`.

    >>> variable_of("base_url")
    'MEDVID_LLM_BASE_URL'
    """
    return ENVIRONMENT_PREFIX + field.upper()
