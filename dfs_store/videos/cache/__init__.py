"""Prepared clips: decoded once, kept as one file per dataset, split and sampling."""
