"""Small video networks that `choosing_networks.py` ranks, for `dfs evaluate --model small_networks:NAME`."""

from torch import Tensor, nn


class Small(nn.Module):
    """A few 3-D convolutions with pooling and ReLU, and a linear head on the mean over time and space."""

    widths: tuple[int, ...] = ()
    norm = False

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for number, width in enumerate(self.widths):
            layers.append(nn.Conv3d(channels, width, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2)))
            if self.norm:
                layers.append(nn.GroupNorm(width, width))  # a group per channel: instance normalisation
            window = (1, 2, 2) if number == 0 else (2, 2, 2)
            layers += [nn.MaxPool3d(window, window), nn.ReLU()]
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of clips (N, C, T, H, W)."""
        return self.classifier(self.features(clips).mean(dim=(2, 3, 4)))


class Narrow2(Small):
    widths = (16, 32)


class Narrow2Norm(Narrow2):
    norm = True


class Wide2(Small):
    widths = (48, 96)


class Narrow3(Small):
    widths = (16, 32, 32)


class Narrow3Norm(Narrow3):
    norm = True
