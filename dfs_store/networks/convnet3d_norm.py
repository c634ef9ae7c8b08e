"""ConvNet3D with instance normalisation after every convolution."""

from torch import nn

from dfs_store.networks.convnet3d import ConvNet3D

__all__ = ["ConvNet3DNorm"]


class ConvNet3DNorm(ConvNet3D):
    """ConvNet3D with affine instance normalisation after every convolution.

    See `ConvNet3D` for the arguments, attributes and errors.
    """

    def __init__(self, num_classes: int, num_frames: int, size: int) -> None:
        super().__init__(num_classes, num_frames, size)
        for number in range(0, len(self.features), 3):
            convolution, pool = self.features[number], self.features[number + 1]
            assert isinstance(convolution, nn.Conv3d)
            width = convolution.out_channels
            # One group per channel makes this instance normalisation, which comes before the pooling.
            self.features[number + 1] = nn.Sequential(nn.GroupNorm(width, width), pool)
