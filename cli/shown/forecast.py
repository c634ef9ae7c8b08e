"""Formats a forecast as text."""

from typing import TYPE_CHECKING

from .. import _output

if TYPE_CHECKING:
    from dfs_store.condense.forecast import Forecast

_SHOWN_SHARE = 0.05  # smaller parts are not shown


def forecast_text(forecast: "Forecast | None") -> str:
    """Formats a forecast of a duration, with its largest parts."""
    if forecast is None:
        return "unknown for custom methods"
    large = {n: s for n, s in forecast.parts.items() if s >= _SHOWN_SHARE * forecast.seconds}
    parts = ", ".join(f"{name} {_output.duration_text(seconds)}" for name, seconds in large.items())
    about = f"about {_output.duration_text(forecast.seconds)}{', roughly' if forecast.rough else ''}"
    return f"{about} ({parts})" if len(large) > 1 else about
