"""The cache of prepared clips. Each video is decoded once, into one file per dataset, split and sampling."""
