"""Logits -> probabilities."""

import numpy as np

from edge.records import Array

MAX_LOGIT = 50.0  # beyond this a sigmoid is 0 or 1 in float32, and its exponential would overflow


def log_softmax(logits: Array) -> Array:
    """Return the logarithms of the probabilities of (..., N) logits over their last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def softmax(logits: Array) -> Array:
    """Return the probabilities of (..., N) logits over their last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: Array) -> Array:
    """Return the probability of each logit by itself."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -MAX_LOGIT, MAX_LOGIT))))
