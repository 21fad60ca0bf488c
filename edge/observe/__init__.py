"""Observers of the loop: snapshots for the page, hints for the signer, metrics for Prometheus."""
