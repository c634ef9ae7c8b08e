"""The text of a forecast of time."""

from typing import TYPE_CHECKING

from .. import _output

if TYPE_CHECKING:
    from dfs_store.condense.forecast import Forecast

_SHOWN_SHARE = 0.05  # smaller parts are not worth a word


def forecast_text(forecast: "Forecast | None") -> str:
    """Writes about how long something takes, and what takes it."""
    if forecast is None:
        return "unknown: the method is your own"
    large = {n: s for n, s in forecast.parts.items() if s >= _SHOWN_SHARE * forecast.seconds}
    parts = ", ".join(f"{name} {_output.duration_text(seconds)}" for name, seconds in large.items())
    about = f"about {_output.duration_text(forecast.seconds)}{', roughly' if forecast.rough else ''}"
    return f"{about} ({parts})" if len(large) > 1 else about
