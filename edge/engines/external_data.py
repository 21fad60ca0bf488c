"""Refuse ONNX models that keep weights outside of their file, which no sum of the package would cover.

A model can name files beside it, anywhere on the disk, or, in newer onnxruntimes, addresses in memory. This
walks the protobuf message as far as tensors can be, without onnx, which a device does not install. The field
numbers are those of onnx.proto3.
"""

from collections.abc import Iterator

VARINT, EIGHT_BYTES, WITH_LENGTH, FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
MAX_DEPTH = 32  # of graphs inside of nodes
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a TensorProto

# message -> field -> message, along every way to a TensorProto
MESSAGES = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}


def has_external_data(model: bytes) -> bool:
    """Return whether a tensor of the serialised model is kept elsewhere. Raises ValueError if it is no model.

    The parts of a message that is given twice are merged by protobuf; here each part is looked at.
    """
    return _has_external_data(memoryview(model), "model", 0)


def _has_external_data(message: memoryview, kind: str, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    inside = MESSAGES.get(kind, {})
    for number, value in _fields(message):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
            return True
        if number not in inside or not isinstance(value, memoryview):
            continue
        if _has_external_data(value, inside[number], depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field; values of fixed size are of no interest and are 0."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif wire_type == WITH_LENGTH:
            length, at = _varint(message, at)
            if length > len(message) - at:
                raise ValueError("it is truncated")
            yield number, message[at : at + length]
            at += length
        elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
            at += 8 if wire_type == EIGHT_BYTES else 4
            yield number, 0
        else:
            raise ValueError("it holds something else than fields")
    if at > len(message):
        raise ValueError("it is truncated")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number of up to 10 bytes, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("it is truncated")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it holds a number of more than 10 bytes")
