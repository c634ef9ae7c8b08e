"""What servers and their clients say when something goes wrong, in the words of fsspec's file systems."""

import errno

from dfs_store.format.io.place import StoreURL
from dfs_store.names import without_secrets

__all__ = ["ABSENT", "CREDENTIALS", "NO_RANGE", "REFUSED", "is_empty", "is_refusal", "said", "says_more"]

NO_RANGE, REFUSED, ABSENT = 416, (401, 403), (404, 410)  # of HTTP
CREDENTIALS = (
    "give credentials where the server's own clients look for them (S3: AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or ~/.aws; AWS_ENDPOINT_URL for a server that is not Amazon's)"
)
_REFUSALS = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound")


def is_refusal(error: BaseException) -> bool:
    """Returns whether a server, or its client, lacks credentials or has wrong ones."""
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _REFUSALS
        or getattr(error, "status", None) in REFUSED
    )


def says_more(cause: BaseException) -> bool:
    """Returns whether what made a file look absent was the network, the server's failure, or a refusal."""
    if isinstance(status := getattr(cause, "status", None), int):
        return status not in ABSENT
    return is_refusal(cause) or (isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError))


def said(error: BaseException, place: StoreURL) -> str:
    """Returns what an error says, without the passwords and queries of URLs, also of other spellings."""
    return without_secrets(str(error).replace(place.url, str(place))) or type(error).__name__


def is_empty(error: BaseException) -> bool:
    """Returns whether a server said that a range begins behind the end of the object."""
    if getattr(error, "status", None) == NO_RANGE:
        return True
    return isinstance(error, OSError) and error.errno == errno.EINVAL and "range" in str(error)
