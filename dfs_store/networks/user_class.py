"""Networks defined by the user, given as `module:Class`."""

import inspect

from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.torchvision_video import ChannelsFirst, answer_to_a_clip
from dfs_store.user_code import imported, working_folder_on_path

__all__ = ["user_network"]


def user_network(name: str, num_classes: int, num_frames: int, size: int) -> ChannelsFirst:
    """Builds a network from an importable class, whose module may be in the current folder.

    The class is called with `num_classes`, and with `num_frames` and `size` if it has such parameters. Its
    `forward` receives clips (N, C, T, H, W), like torchvision's video models.

    Args:
        name: "module:Class", for example "my_package.networks:Tiny".
        num_classes: number of logits.
        num_frames: T, the number of frames per clip.
        size: height and width of the clips in pixels.

    Raises:
        SettingsError: the class cannot be imported or built, or the network does not accept the clips.
    """
    with working_folder_on_path():
        network = _built(name, {"num_classes": num_classes, "num_frames": num_frames, "size": size})
        return _checked(name, network, num_classes, num_frames, size)


def _built(name: str, offered: dict[str, int]) -> object:
    made_by = imported(name, "--model", "Class")
    given = {"num_classes": offered["num_classes"]}
    try:
        wanted = inspect.signature(made_by).parameters
        given |= {key: value for key, value in offered.items() if key in wanted}
        network: object = made_by(**given)
    except Exception as error:  # whatever the user's class raises
        raise SettingsError(
            f"--model {name}: the class raised {type(error).__name__} when called with "
            f"num_classes={given['num_classes']}: {error}"
        ) from error
    return network


def _checked(name: str, network: object, num_classes: int, num_frames: int, size: int) -> ChannelsFirst:
    if not isinstance(network, nn.Module):
        raise SettingsError(f"--model {name} must return a torch.nn.Module, got {type(network).__name__}")
    adapted = ChannelsFirst(network)
    try:
        logits: object = answer_to_a_clip(adapted, num_frames, size)
    except Exception as error:  # whatever the user's forward raises
        raise SettingsError(
            f"--model {name}: the network raised {type(error).__name__} for a clip of shape "
            f"(1, 3, {num_frames}, {size}, {size}): {error}"
        ) from error
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != (1, num_classes):
        raise SettingsError(
            f"--model {name}: the network must return logits of shape (1, {num_classes}) for one clip, got "
            f"{shape}"
        )
    if next(adapted.parameters(), None) is None:
        raise SettingsError(f"--model {name} must have parameters to train, got none")
    return adapted
