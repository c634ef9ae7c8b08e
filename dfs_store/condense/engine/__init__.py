"""What a method computes with: trainable key frames, matching, insertion, real clips and features."""
