"""A network of the user's own: `module:Class`."""

import importlib
import inspect
import os
import sys
from typing import Any

from torch import nn

from dfs_store.errors import SettingsError
from dfs_store.networks.torchvision_video import ChannelsFirst

__all__ = ["user_network"]


def user_network(name: str, num_classes: int, num_frames: int, size: int) -> ChannelsFirst:
    """Builds a network from a class that can be imported, also from the current directory.

    The class is called with `num_classes`, and with `num_frames` and `size` where it has parameters of these
    names; its `forward` gets clips (N, C, T, H, W), as torchvision's video models do.

    Args:
        name: "module:Class", e.g. "my_package.networks:Tiny".
        num_classes: number of logits.
        num_frames: T of the clips.
        size: height and width of the clips in pixels.

    Raises:
        SettingsError: there is no such module or class, or it cannot be built.
    """
    module_name, _, class_name = name.partition(":")
    path = list(sys.path)
    sys.path.insert(0, os.getcwd())  # the script `dfs` does not have it on the path, as `python` would
    try:
        made_by = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # whatever the user's module raises
        raise SettingsError(
            f"--model {name}: cannot import {class_name or 'a class'} from {module_name!r} "
            f"({type(error).__name__}: {error}); write module:Class"
        ) from error
    finally:
        sys.path[:] = path
    offered: dict[str, Any] = {"num_classes": num_classes, "num_frames": num_frames, "size": size}
    try:
        wanted = inspect.signature(made_by).parameters
        given = {key: value for key, value in offered.items() if key == "num_classes" or key in wanted}
        network = made_by(**given)
    except Exception as error:  # whatever the user's class raises
        raise SettingsError(
            f"--model {name}: with num_classes={num_classes} it raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise SettingsError(f"--model {name} makes a {type(network).__name__}, not a torch.nn.Module")
    return ChannelsFirst(network)
