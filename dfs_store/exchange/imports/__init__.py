"""Imports dense clips written by other programs from files and folders."""
