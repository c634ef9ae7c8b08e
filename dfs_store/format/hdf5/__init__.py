"""The HDF5 container: a memory-mapped file in which h5py locates the arrays."""
