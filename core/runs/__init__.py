"""Runs of one method on one model: steps, frames, checkpoints, alarms, and the models that they begin with."""
