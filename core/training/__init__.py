"""Supervised training, federated averaging, the training of VAEs, and training recipes."""
