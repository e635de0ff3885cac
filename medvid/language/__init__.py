"""What talks to language models, and the sentence encoder that needs no network."""

from medvid.language.cache import CallCache
from medvid.language.chat import ChatReply, ChatRequest, Message
from medvid.language.client import LanguageClient, Usage
from medvid.language.errors import (
    BudgetExceededError,
    CallCacheError,
    EndpointError,
    LanguageError,
    RequestRefusedError,
)
from medvid.language.settings import LanguageSettings

__all__ = [
    "BudgetExceededError",
    "CallCache",
    "CallCacheError",
    "ChatReply",
    "ChatRequest",
    "EndpointError",
    "LanguageClient",
    "LanguageError",
    "LanguageSettings",
    "Message",
    "RequestRefusedError",
    "Usage",
]
