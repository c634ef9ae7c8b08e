"""The cache of prepared clips: videos are decoded once into one file per dataset, split and sampling."""
