"""Synthetic hands: painted solids and a rendered mesh."""
