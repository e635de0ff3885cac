"""What calls cost, and the hard stop before the call that would cost too much."""

import asyncio
from dataclasses import dataclass

from medvid.language.errors import BudgetExceededError
from medvid.language.settings import LanguageSettings

PRICE_UNIT = 1_000_000


@dataclass(frozen=True)
class Tokens:
    """Tokens of one or more calls.

    Attributes:
        prompt: Tokens of the prompts.
        completion: Tokens of the answers.
    """

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def total(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt + self.completion


class Budget:
    """Reserves the most a call can cost, and settles what it did cost.

    A call that fits only if calls in flight turn out cheaper waits for them; one that does not
    fit even so is refused, so that the budget is a ceiling and not a trend. What an endpoint may
    have billed without an answer reaching us stays reserved.
    """

    def __init__(self, settings: LanguageSettings, spent: Tokens) -> None:
        """Start a budget.

        Args:
            settings: Limits and prices.
            spent: What counts against it from the start.
        """
        self.spent = spent
        self._settings = settings
        self._reserved = Tokens()
        self._in_flight = 0
        self._changed = asyncio.Condition()

    def money(self, tokens: Tokens) -> float:
        """Price of tokens, in the unit of the prices."""
        prompt = tokens.prompt * self._settings.price_prompt
        return (prompt + tokens.completion * self._settings.price_completion) / PRICE_UNIT

    async def reserve(self, most: Tokens) -> None:
        """Set the most a call can cost aside.

        Raises:
            BudgetExceededError: It does not fit, whatever the calls in flight will cost.
        """
        async with self._changed:
            while self._passes(self.spent + self._reserved + most):
                if not self._in_flight or self._passes(self.spent + most):
                    raise self._refusal(most)
                await self._changed.wait()
            self._reserved += most
            self._in_flight += 1

    async def settle(self, reserved: Tokens, actual: Tokens) -> None:
        """Replace what was set aside by what was used."""
        async with self._changed:
            self._reserved -= reserved
            self._in_flight -= 1
            self.spent += actual
            self._changed.notify_all()

    def _passes(self, tokens: Tokens) -> bool:
        limits = self._settings
        many = limits.budget_tokens is not None and tokens.total > limits.budget_tokens
        return many or (
            limits.budget_money is not None and self.money(tokens) > limits.budget_money + 1e-12
        )

    def _refusal(self, most: Tokens) -> BudgetExceededError:
        limits = self._settings
        parts = []
        if limits.budget_tokens is not None:
            parts.append(
                f"{self.spent.total:,} of {limits.budget_tokens:,} tokens are used and the next "
                f"call may take {most.total:,}"
            )
        if limits.budget_money is not None:
            parts.append(
                f"{self.money(self.spent):.4f} of {limits.budget_money:.4f} in money is spent and "
                f"the next call may cost {self.money(most):.4f}"
            )
        return BudgetExceededError(f"the budget ends here: {'; '.join(parts)}.")
