"""The Zarr v3 container: a local folder, an archive, or a folder on a server."""
