"""The Zarr v3 container: a folder, an archive, or a folder on a server."""
