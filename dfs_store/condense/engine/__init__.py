"""Building blocks of the methods: trainable key frames, matching, insertion, real clips and features."""
