"""Video classification networks by name, and their training from scratch."""

from dfs_store.networks.catalogue import NETWORKS, build_network, check_network_name, fast_order
from dfs_store.networks.cnn_rnn import CNNGRU, CNNLSTM
from dfs_store.networks.convnet3d import ConvNet3D
from dfs_store.networks.convnet3d_norm import ConvNet3DNorm
from dfs_store.networks.frame_convnet import FrameConvNet
from dfs_store.networks.training import ClipBatches, TrainingSettings, train

__all__ = [
    "CNNGRU",
    "CNNLSTM",
    "NETWORKS",
    "ClipBatches",
    "ConvNet3D",
    "ConvNet3DNorm",
    "FrameConvNet",
    "TrainingSettings",
    "build_network",
    "check_network_name",
    "fast_order",
    "train",
]
