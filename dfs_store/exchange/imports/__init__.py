"""Dense clips of other programs, from files and folders."""
