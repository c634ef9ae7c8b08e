"""The cache of prepared clips. Videos are decoded once, into one file per dataset, split and sampling."""
