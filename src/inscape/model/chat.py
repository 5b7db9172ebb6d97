"""Messages as text: what a chat model is given is its own template filled with roles and contents.

A message is a mapping with ``role`` and ``content``; a conversation is a list of messages. A
conversation that does not end with the assistant ends with the template's beginning of an answer,
so that what follows is what the model would say.

Reference: transformers, "Chat templates".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inscape.core.errors import ModelError
from inscape.core.foreign import reason

Message = Mapping[str, Any]


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of messages, or a mapping that holds one under ``messages``."""
    if isinstance(value, Mapping):
        return set(value) == {"messages"} and is_conversation(value["messages"])
    several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return several and len(value) > 0 and all(map(is_message, value))


def is_message(value: Any) -> bool:
    """Whether a value is one message."""
    return isinstance(value, Mapping) and {"role", "content"} <= set(value)


def chat(model: Any, messages: str | Message | Sequence[Message]) -> str:
    """A conversation as the text that a chat model is given.

    Args:
        model: an opened model whose tokenizer has a chat template.
        messages: the conversation, one message, or the text of one message of the user. ``"{}"``
            gives a template for ``prompt=`` of a harvest: each text becomes a message of the user.

    Returns:
        The text, special tokens spelt out; the tokenizer adds none that already stand there.

    Raises:
        ModelError: no tokenizer, no chat template, or messages that the template refuses.
    """
    given: Any = messages
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    elif is_message(given):
        given = [given]
    elif isinstance(given, Mapping) and is_conversation(given):
        given = given["messages"]
    if not is_conversation(given):
        raise ModelError(
            "chat: a conversation is a list of messages with role and content, got "
            f"{type(messages).__name__}"
        )
    if getattr(model.tokenizer, "chat_template", None) is None:
        raise ModelError(
            f"{model.name} has no chat template, so it has no text for messages; give plain texts, "
            "or set model.tokenizer.chat_template"
        )
    plain = [dict(message) for message in given]
    try:
        return str(
            model.tokenizer.apply_chat_template(
                plain, tokenize=False, add_generation_prompt=plain[-1]["role"] != "assistant"
            )
        )
    except Exception as error:  # a template is a program of its own and raises whatever it likes
        raise ModelError(
            f"the chat template of {model.name} does not take these messages ({reason(error)}); "
            "give others, or plain text"
        ) from error


def as_users(model: Any, texts: Sequence[str]) -> list[str]:
    """Each text as one message of a user, or as it is where the model has no chat template.

    Args:
        model: an opened model.
        texts: plain texts.
    """
    if not getattr(model.tokenizer, "chat_template", None):
        return list(texts)
    return [chat(model, text) for text in texts]


def texts_of(model: Any, items: Sequence[Any]) -> list[str]:
    """Texts and conversations as texts.

    Raises:
        ModelError: something that is neither; the message names it by its row, from 1.
    """
    out = []
    for row, item in enumerate(items, 1):
        if isinstance(item, str):
            out.append(str(item))
        elif is_conversation(item):
            out.append(chat(model, item))
        else:
            raise ModelError(
                f"item {row} is of type {type(item).__name__}, and {model.name} reads texts, "
                "messages (role, content) or "
                "token ids (whole numbers); give every item as one of these"
            )
    return out


def several(given: Any) -> list[Any]:
    """What was given as a list of texts and conversations: one text or one conversation is a list
    of one.
    """
    return [given] if isinstance(given, str) or is_conversation(given) else list(given)
