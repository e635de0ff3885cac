"""Clients of misbehaving endpoints, quick to retry and quick to give up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from medvid.language import CallCache, LanguageClient, LanguageSettings
from tests.language.endpoint import FaultyEndpoint

KEY = "sk-very-secret-key"
QUICK: dict[str, object] = {
    "model": "tiny-1", "api_key": KEY, "timeout_s": 1.5, "max_attempts": 8,
    "backoff_base_s": 0.01, "backoff_limit_s": 0.05,
}  # fmt: skip

MakeClient = Callable[..., LanguageClient]


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    """Makes clients of an endpoint, all on one cache unless a folder is named."""
    with ExitStack() as stack:

        def make(
            endpoint: FaultyEndpoint, folder: Path | None = None, **changes: object
        ) -> LanguageClient:
            settings = LanguageSettings.model_validate(
                {**QUICK, "base_url": endpoint.url, **changes}
            )
            cache = stack.enter_context(CallCache(folder or tmp_path / "calls"))
            return stack.enter_context(LanguageClient(settings, cache))

        yield make
