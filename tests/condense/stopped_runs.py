"""Runs that are stopped between two steps, as by Ctrl-C."""

import pytest

from dfs_store.condense import StepDone, condense


def condense_until(step, settings, videos):
    """Condenses until a step, given by its 0-based number, is done."""

    def stop(event):
        if isinstance(event, StepDone) and event.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        condense(settings, videos, on_event=stop)
