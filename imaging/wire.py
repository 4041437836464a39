"""Wire: how the server and a confined worker talk over a socket pair.

A message is a kind (one ASCII letter), one JSON value and raw byte strings. Nothing is ever unpickled, and
the receiver says beforehand how much it will take, for whoever is at the other end may have been taken over.

    head    kind (1 byte), length of the JSON (4 bytes), number of byte strings (1 byte), big endian
    then    the length of each byte string (8 bytes), the JSON, the byte strings
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

TASK, READ, BYTES, DONE, REFUSED = b"T", b"R", b"B", b"D", b"E"
RANGE = 8 << 20
"""The most bytes of a file that one READ asks for."""
TASK_BYTES = 256 << 20
"""The most bytes a task and its arguments take."""
_HEAD = struct.Struct(">cIB")
_LENGTH = struct.Struct(">Q")


class Broken(Exception):
    """The other end closed the line, or sent what is no message or is over the limit."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its kind, a JSON value and byte strings."""

    kind: bytes
    value: Any
    blobs: tuple[bytes, ...] = ()


def pack(message: Message) -> list[bytes]:
    """The buffers of a message, to be written one after the other."""
    document = orjson.dumps(message.value)
    lengths = b"".join(_LENGTH.pack(len(blob)) for blob in message.blobs)
    head = _HEAD.pack(message.kind, len(document), len(message.blobs)) + lengths + document
    if sum(map(len, message.blobs)) < 65_536:
        return [b"".join((head, *message.blobs))]
    return [head, *message.blobs]


def receive(read: Callable[[int], bytes], kinds: Sequence[bytes], limit: int) -> Message:
    """The next message, of one of ``kinds`` and at most ``limit`` bytes. ``read(n)`` gives exactly n bytes."""
    kind, document_length, count = _HEAD.unpack(read(_HEAD.size))
    lengths = [_LENGTH.unpack(read(_LENGTH.size))[0] for _ in range(count)]
    if kind not in kinds or document_length + sum(lengths) > limit:
        raise Broken("not a message, or too long")
    try:
        value = orjson.loads(read(document_length))
    except orjson.JSONDecodeError as error:
        raise Broken("not JSON") from error
    return Message(kind, value, tuple(read(length) for length in lengths))
