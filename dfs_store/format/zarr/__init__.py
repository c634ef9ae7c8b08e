"""The Zarr v3 container: a local folder, a zip archive, or a folder on a server."""
