"""Unlearning methods beside LAF, each in one small file."""
