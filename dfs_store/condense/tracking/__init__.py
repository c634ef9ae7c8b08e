"""Experiment trackers to which a run can be logged: TensorBoard and Weights & Biases."""
