"""What can go wrong when a language model is asked, each error saying what to do next.

```
MedVidError
└── LanguageError                 asking a model failed
    ├── EndpointError             the endpoint cannot be used, or stayed broken over all attempts
    │   └── RequestRefusedError   the endpoint works and refuses this one request
    ├── BudgetExceededError       the next call would pass the budget
    └── CallCacheError            the call cache cannot be read or written
```
"""

from schemas.errors import MedVidError


class LanguageError(MedVidError):
    """Asking a language model failed."""

    default_action = "Finished calls are in the call cache; run the same command again."


class EndpointError(LanguageError):
    """The endpoint cannot be used, or stayed broken over all attempts.

    Attributes:
        status: HTTP status of the last answer, None where none came.
        attempts: How often the request was sent.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int | None = None,
        attempts: int = 1,
        action: str | None = None,
    ) -> None:
        self.status = status
        self.attempts = attempts
        super().__init__(problem, action=action)


class RequestRefusedError(EndpointError):
    """The endpoint works and refuses this one request, e.g. its content or its length."""

    default_action = "Shorten or correct the text; the other requests are not concerned."


class BudgetExceededError(LanguageError):
    """The next call would pass the budget, so it was not sent."""

    default_action = (
        "Finished calls are in the call cache and cost nothing again; raise "
        "MEDVID_LLM_BUDGET_TOKENS or MEDVID_LLM_BUDGET_MONEY and run the same command again."
    )


class CallCacheError(LanguageError, OSError):
    """The call cache cannot be read or written."""

    default_action = "Free space or name another cache folder, then run the same command again."
