"""Clients of a judge that misbehaves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from medvid.language import CallCache, LanguageClient, LanguageSettings
from tests.language.endpoint import FaultyEndpoint

MakeClient = Callable[..., LanguageClient]


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    """Makes clients of an endpoint, all on one cache unless a folder is named."""
    with ExitStack() as stack:

        def make(
            endpoint: FaultyEndpoint, folder: str = "calls", **changes: object
        ) -> LanguageClient:
            given = {
                "base_url": endpoint.url, "model": "judge-1", "timeout_s": 1.5,
                "backoff_base_s": 0.01, "backoff_limit_s": 0.05, "max_attempts": 8, **changes,
            }  # fmt: skip
            cache = stack.enter_context(CallCache(tmp_path / folder))
            settings = LanguageSettings.model_validate(given)
            return stack.enter_context(LanguageClient(settings, cache))

        yield make
