"""Adapt a device to its signer: record letters, learn a small correction from them, keep it in a file."""
