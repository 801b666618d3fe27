"""A sandbox for the process that runs a model's code, from what Linux offers to every user. Standard library only.

A process sets it up around itself, for good, while it has a single thread. It has three layers, each optional:

- `namespace`: a user and network namespace. No interface is up in it, and no capability reaches out of it.
- `seccomp`: a filter of system calls: no sockets, no new processes, nothing that affects other processes.
- `landlock`: files can be read only below certain folders, and changed only below one.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Callable, Sequence

LAYERS = ("namespace", "seccomp", "landlock")

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_THREAD = 0x1000_0000, 0x4000_0000, 0x0001_0000
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_CAPABILITY_VERSION_3 = 0x2008_0522

# System calls by architecture. From 424 on the numbers are the same everywhere. The filter answers those with "not
# implemented", and libraries fall back to older calls: io_uring would bypass a filter, and clone3 hides its flags.
_FIRST_SHARED = 424
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
# fmt: off
_DENIED = {  # name: (x86_64, aarch64)
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # Objects that outlive the process, or do not count as its memory
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Interfaces to the kernel that calculations do not need
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_by_handle_at": (304, 265), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
# fmt: on

# Landlock's rights on files by version of its ABI: the first has 13 of them, later ones more.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}


def confine(folder: str, readable: Sequence[str], layers: Sequence[str] = LAYERS) -> dict[str, str]:
    """Set up the sandbox around this process.

    Args:
        folder: the only folder whose contents may be changed.
        readable: files and folders that may be read; those that do not exist are skipped.
        layers: which of `LAYERS` to set up.

    Returns:
        A reason for each layer that could not be set up.

    Raises:
        OSError: the process could not drop its privileges.
    """
    if sys.platform != "linux":
        return dict.fromkeys(LAYERS, f"not available on {platform.system() or sys.platform}")
    libc = ctypes.CDLL(None, use_errno=True)
    missing: dict[str, str] = {}

    def set_up(name: str, layer: Callable[[], None]) -> None:
        try:
            if name not in layers:
                raise OSError("it was not requested")
            layer()
        except OSError as error:
            missing[name] = error.strerror or str(error)

    set_up("namespace", lambda: _namespace(libc))
    _drop_privileges(libc)
    set_up("landlock", lambda: _landlock(libc, folder, readable))
    set_up("seccomp", lambda: _seccomp(libc))  # last: it forbids calls that the others need
    return missing


def _namespace(libc: ctypes.CDLL) -> None:
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """Drop all capabilities, inside a namespace or as root outside one, and the ability to regain any by exec."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, bytes(24)))
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _landlock(libc: ctypes.CDLL, folder: str, readable: Sequence[str]) -> None:
    version = _check(libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))
    rights = _RIGHTS[min(version, max(_RIGHTS))]
    rules = _check(libc.syscall(_LANDLOCK_CREATE, struct.pack("Q", rights), ctypes.c_size_t(8), 0))
    try:
        _allow(libc, rules, folder, rights & ~_EXECUTE)
        _allow(libc, rules, os.devnull, _READ_FILE | _WRITE_FILE)
        for path in readable:
            if os.path.exists(path):
                _allow(libc, rules, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))
        _check(libc.syscall(_LANDLOCK_RESTRICT, rules, 0))
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _check(libc.syscall(_LANDLOCK_ADD_RULE, rules, 1, struct.pack("=Qi", rights, at), 0))
    finally:
        os.close(at)


def _seccomp(libc: ctypes.CDLL) -> None:
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        raise OSError(f"no list of system calls for {machine}")
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    _check(libc.prctl(_PR_SET_SECCOMP, 2, filter_, 0, 0))


def _program(machine: str) -> bytes:
    """The filter as an array of `struct sock_filter` (linux/filter.h)."""
    load, equal, at_least, some_bits, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill = 0x7FFF_0000, 0x8000_0000
    denied, not_there = 0x0005_0000 | errno.EPERM, 0x0005_0000 | errno.ENOSYS
    number, architecture, argument = 0, 4, 16  # offsets in `struct seccomp_data`; the argument's lower half

    def op(code: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, operand)

    column = list(_ARCHITECTURES).index(machine)
    parts = [
        op(load, architecture) + op(equal, _ARCHITECTURES[machine], 1, 0) + op(answer, kill),
        op(load, number) + op(at_least, _FIRST_SHARED, 0, 1) + op(answer, not_there),
    ]
    for numbers in _DENIED.values():
        if (call := numbers[column]) is not None:
            parts.append(op(equal, call, 0, 1) + op(answer, denied))
    # prlimit for this process only; clone for threads only.
    parts.append(op(equal, _PRLIMIT[machine], 0, 4) + op(load, argument) + op(equal, 0, 0, 1))
    parts.append(op(answer, allow) + op(answer, denied))
    parts.append(op(equal, _CLONE[machine], 0, 2) + op(load, argument) + op(some_bits, _CLONE_THREAD, 0, 1))
    parts.append(op(answer, allow) + op(answer, denied))
    return b"".join(parts)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
