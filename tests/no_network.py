"""Runs a command in a process that ends if it opens a network socket: `python -m tests.no_network dfs ...`.

The operating system enforces this (seccomp), so no library can bypass it, in whatever language it is written.
"""

import ctypes
import platform
import runpy
import struct
import sys

SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}
SUPPORTED = sys.platform == "linux" and platform.machine() in SOCKET_CALLS

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_NUMBER, _FIRST_ARGUMENT = 0, 16  # in what the system tells a filter of a call
_INTERNET = (2, 10)  # IPv4 and IPv6; pipes between own processes stay allowed


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def forbid_sockets() -> None:
    """Ends this process, or any process that it starts, with SIGSYS if it opens an internet socket."""
    number = SOCKET_CALLS[platform.machine()]
    code = [
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _INTERNET[0]),
        (_EQUAL, 0, 1, _INTERNET[1]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    packed = b"".join(struct.pack("HBBI", *line) for line in code)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code), packed)
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the system refuses the filter")


def main() -> None:
    forbid_sockets()
    kind, *arguments = sys.argv[1:]
    if kind == "dfs":
        sys.argv = ["dfs", *arguments]
        runpy.run_module("cli", run_name="__main__")
    else:
        exec(compile(arguments[0], "<test>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
