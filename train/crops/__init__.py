"""Prepared photographs -> the crops that training reads."""
