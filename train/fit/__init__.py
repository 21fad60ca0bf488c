"""Crops -> a trained checkpoint."""
