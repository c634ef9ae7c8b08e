"""Classifies the server and client errors raised by fsspec file systems."""

import errno

from dfs_store.format.io.place import StoreURL
from dfs_store.names import without_secrets

__all__ = [
    "ABSENT",
    "CREDENTIALS",
    "NO_RANGE",
    "REFUSED",
    "error_text",
    "is_empty",
    "is_refusal",
    "seems_missing",
]

NO_RANGE, REFUSED, ABSENT = 416, (401, 403), (404, 410)  # HTTP status codes
CREDENTIALS = (
    "provide credentials where the server's own clients look for them (for S3: AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or ~/.aws; also set AWS_ENDPOINT_URL if the server is not Amazon's)"
)
_REFUSALS = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound")


def is_refusal(error: BaseException) -> bool:
    """Returns whether the server refused access, or the client has no valid credentials."""
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _REFUSALS
        or getattr(error, "status", None) in REFUSED
    )


def seems_missing(cause: BaseException) -> bool:
    """Returns whether a file only seems missing, because the server failed or refused access."""
    if isinstance(status := getattr(cause, "status", None), int):
        return status not in ABSENT
    return is_refusal(cause) or (isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError))


def error_text(error: BaseException, place: StoreURL) -> str:
    """Returns the text of an error, with passwords and query strings removed from its URLs."""
    return without_secrets(str(error).replace(place.url, str(place))) or type(error).__name__


def is_empty(error: BaseException) -> bool:
    """Returns whether the server reported that a range begins after the end of the object."""
    if getattr(error, "status", None) == NO_RANGE:
        return True
    return isinstance(error, OSError) and error.errno == errno.EINVAL and "range" in str(error)
