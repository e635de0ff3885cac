"""One attempt at an OpenAI-compatible endpoint: an answer, or what went wrong with it."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medvid.language.chat import ChatReply, ChatRequest, text_estimate
from medvid.language.retries import Failure, is_retried, retry_after_s
from medvid.language.settings import LanguageSettings

NO_KEY = "none"
"""Sent where no key is set: the API wants a header, local servers do not look at it."""

_SHOWN_CHARS = 300
_Count = Annotated[int, Field(ge=0)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Turn(_Wire):
    content: str | None = None


class _Choice(_Wire):
    message: _Turn
    finish_reason: str | None = None


class _Usage(_Wire):
    prompt_tokens: _Count
    completion_tokens: _Count


class _Answer(_Wire):
    id: str = ""
    model: str = ""
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class Endpoint:
    """Sends requests, each once; retries, limits and the cache are the client's."""

    def __init__(self, settings: LanguageSettings) -> None:
        """Prepare the connection; nothing is sent yet."""
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        self._settings = settings
        self._secret = key
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=key or NO_KEY,
            timeout=settings.timeout_s,
            max_retries=0,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def attempt(self, request: ChatRequest) -> ChatReply | Failure:
        """Send a request once and read the answer."""
        settings = self._settings
        body = request.body(settings.model, settings.completion_field)
        try:
            # The client's own limit starts anew with every byte; this one is for the whole.
            async with asyncio.timeout(settings.timeout_s):
                raw = await self._client.chat.completions.with_raw_response.create(**body)
        except (TimeoutError, openai.APITimeoutError):
            return Failure(f"no answer within {settings.timeout_s:g} s", billed=True)
        except openai.APIConnectionError as error:
            cause = type(error.__cause__ or error).__name__
            return Failure(f"the connection failed ({cause})", billed=cause != "ConnectError")
        except openai.APIStatusError as error:
            return self._refusal(error)
        return self._read(raw.content, raw.headers.get("content-type", ""), request)

    def _refusal(self, error: openai.APIStatusError) -> Failure:
        status = error.status_code
        said = error.response.text.replace("\n", " ").strip()
        if self._secret:
            said = said.replace(self._secret, "***")
        return Failure(
            f"HTTP {status}: {said[:_SHOWN_CHARS] or 'no message'}",
            status=status,
            retried=is_retried(status),
            wait_s=retry_after_s(error.response.headers, datetime.now(UTC)),
        )

    def _read(self, content: bytes, content_type: str, request: ChatRequest) -> ChatReply | Failure:
        if "json" not in content_type.lower():
            problem = f"the answer is {content_type[:60] or 'of no stated type'}, not JSON"
            return Failure(problem, status=200, billed=True)
        try:
            answer = _Answer.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            problem = f"the answer is cut or malformed ({where or 'body'}: {first['type']})"
            return Failure(problem, status=200, billed=True)
        choice = answer.choices[0]
        text = choice.message.content or ""
        usage = answer.usage or _Usage(
            prompt_tokens=request.prompt_estimate(self._settings.image_tokens),
            completion_tokens=text_estimate(text),
        )
        return ChatReply(
            text=text,
            finish_reason=choice.finish_reason or "",
            model=answer.model,
            reply_id=answer.id,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )
