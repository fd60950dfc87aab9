"""Comparisons of models by their representations: similarity, linear probes, and neighbours of D_f."""
