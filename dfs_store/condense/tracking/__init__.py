"""Programs in which a run can be followed: TensorBoard, Weights & Biases."""
