"""Comparisons of models by their answers to single images."""
