"""Key frames fitted to real clips (pack): how many, where, and encoded with which quality."""
