"""Average pooling over overlapping windows, with a deterministic backward pass on CUDA."""

from torch import Tensor, nn

__all__ = ["MeanPool3d"]


class MeanPool3d(nn.AvgPool3d):
    """`torch.nn.AvgPool3d` with stride 1 and deterministic gradients.

    On CUDA, the backward pass of AvgPool3d adds the gradients of overlapping windows in a varying order. This
    module sums shifted views instead, along one axis at a time.

    Args:
        window: size of the pooling window, (frames, height, width).
    """

    def __init__(self, window: tuple[int, int, int]) -> None:
        super().__init__(window, stride=1)
        self._window = window

    def forward(self, maps: Tensor) -> Tensor:
        """Returns the means (N, C, T', H', W') of maps (N, C, T, H, W)."""
        if maps.device.type == "cpu":
            return super().forward(maps)
        for axis, width in enumerate(self._window, start=2):
            length = maps.shape[axis] - width + 1
            total = maps.narrow(axis, 0, length)
            for start in range(1, width):
                total = total + maps.narrow(axis, start, length)
            maps = total / width
        return maps
