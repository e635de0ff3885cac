"""What is asked of a language model and what it answers."""

import base64
import hashlib
import math
import string
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.hashing import content_key
from schemas.scalars import Label, Model, PositiveInt

LETTERS_PER_TOKEN = 3
"""Fewer letters and spaces a token than prose has, so that estimates err upwards."""

_LETTERS = (string.ascii_letters + string.whitespace).encode()

MESSAGE_TOKENS = 8
"""What endpoints add to each message for its role and its ends."""


class Message(Model):
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        text: What is said.
        images: JPEG files shown after the text.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[bytes, ...] = ()

    def wire(self) -> dict[str, Any]:
        """The message as the API wants it."""
        if not self.images:
            return {"role": self.role, "content": self.text}
        pictures = (base64.b64encode(image).decode() for image in self.images)
        parts: list[dict[str, Any]] = [{"type": "text", "text": self.text}]
        parts += [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}
            for picture in pictures
        ]
        return {"role": self.role, "content": parts}


class ChatRequest(Model):
    """A request whose answer is asked for, and paid, once.

    Attributes:
        messages: The conversation so far.
        prompt_version: Version of the wording, of which the messages are made.
        temperature: Sampling temperature.
        top_p: Nucleus of sampling; None leaves it to the endpoint.
        seed: Sampling seed, where the endpoint knows one.
        max_tokens: Tokens of the answer at most; what the budget reserves.
        json_reply: Ask the endpoint to hold the answer to JSON.
        repeat: Number of the repetition: equal requests with another number are asked anew.
        attempt: Number of the attempt at a usable answer: equal requests likewise.
    """

    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    prompt_version: Label
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    max_tokens: PositiveInt = 512
    json_reply: bool = False
    repeat: Annotated[int, Field(ge=0)] = 0
    attempt: Annotated[int, Field(ge=0)] = 0

    def key(self, model: str) -> str:
        """Content key of the call: the model and all that decides its answer, no address."""
        messages = [
            [message.role, message.text, [hashlib.sha256(i).hexdigest() for i in message.images]]
            for message in self.messages
        ]
        rest = self.model_dump(mode="json", exclude={"messages"})
        return content_key("chat", model, messages, rest)

    def body(self, model: str, completion_field: str) -> dict[str, Any]:
        """The request as the API wants it."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [message.wire() for message in self.messages],
            "temperature": self.temperature,
            completion_field: self.max_tokens,
        }
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if self.seed is not None:
            body["seed"] = self.seed
        if self.json_reply:
            body["response_format"] = {"type": "json_object"}
        return body

    def prompt_estimate(self, image_tokens: int) -> int:
        """Tokens of the prompt at most, as far as its bytes tell.

        Args:
            image_tokens: Tokens of a picture.
        """
        return sum(
            MESSAGE_TOKENS + text_estimate(message.text) + image_tokens * len(message.images)
            for message in self.messages
        )


def text_estimate(text: str) -> int:
    """Tokens of a text at most: a third of its letters, and every other byte.

    No byte-level tokeniser makes more tokens than bytes; the share of letters is what prose
    never reaches.

    >>> text_estimate("grasper retracts"), text_estimate("胆囊"), text_estimate("4.5")
    (6, 6, 3)
    """
    encoded = text.encode("utf-8", "replace")
    others = len(encoded.translate(None, delete=_LETTERS))
    return others + math.ceil((len(encoded) - others) / LETTERS_PER_TOKEN)


class ChatReply(Model):
    """A model's answer.

    Attributes:
        text: The answer; empty where the model refused.
        finish_reason: Why it ended, as the endpoint says: `stop`, `length`, `content_filter`.
        model: The model that the endpoint says has answered.
        reply_id: The endpoint's own id of the answer, to compare with its bill.
        prompt_tokens: Tokens of the prompt, as reported or, failing that, as estimated.
        completion_tokens: Tokens of the answer, likewise.
    """

    text: str
    finish_reason: str = ""
    model: str = ""
    reply_id: str = ""
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
