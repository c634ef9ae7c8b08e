"""The HDF5 container: a mapped file in which h5py finds where things lie."""
