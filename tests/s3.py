"""A real S3 server (moto) on the loopback interface, in a separate process. Logs its requests."""

import os
import subprocess
import sys
from pathlib import Path

SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class S3Server:
    """An S3 server. A context manager.

    Args:
        log: a file for the answered requests.
        variables: environment variables of the server.
    """

    def __init__(self, log: Path, **variables: str) -> None:
        self._log = log
        self._variables = variables

    def __enter__(self):
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self._variables},
            )
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_):
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()

    def kill(self):
        """Kills the server."""
        self._process.kill()
        self._process.wait()

    def requests(self) -> list[str]:
        """Returns the requests so far, such as "GET /bucket/name"."""
        lines = self._log.read_text().splitlines()
        found = [line.partition('"')[2].partition(" HTTP/1.1")[0] for line in lines if " HTTP/1.1" in line]
        return [f"{words[0][-6:].rpartition('m')[2]} {words[1]}" for each in found if (words := each.split())]

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment variables with the server's address and credentials."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            # A client that tries again for long would only make the tests slow.
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


def forget_clients() -> None:
    """Makes fsspec create new clients from the current environment."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
