"""Experiment trackers that can log a run: TensorBoard and Weights & Biases."""
