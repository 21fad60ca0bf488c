"""The drawn hand of the synthetic signer, and its background."""
