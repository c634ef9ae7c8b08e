"""The HDF5 container: a mapped file in which h5py locates the arrays."""
