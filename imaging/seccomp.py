"""Seccomp: what a process that reads untrusted bytes may still ask of the kernel.

A list of what is allowed, installed with ``no_new_privs`` so that it needs no privilege and works in any
chroot or container (Linux Documentation/userspace-api/seccomp_filter.rst). Memory, time, threads, the pipe it
already has: nothing else. No socket, no file opened, no process started, no signal sent: the call fails with
EPERM, which Python reports as an ordinary error. It cannot be taken off again.
"""

import ctypes
import platform
import struct

from core.errors import Unavailable

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _EPERM, _ENOSYS = 0x8000_0000, 0x7FFF_0000, 0x0005_0001, 0x0005_0026
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x4000_0000
_CLONE_THREAD = 0x0001_0000
_CLONE3 = 435  # its flags lie in memory, where no filter sees them; without it the C library uses clone

_ARCHITECTURES = {"x86_64": (0xC000_003E, 56), "aarch64": (0xC000_00B7, 220)}
"""Machine → (audit architecture, number of clone)."""
_ALLOWED = """
read               0   63
write              1   64
close              3   57
fstat              5   80
lseek              8   62
mmap               9  222
mprotect          10  226
munmap            11  215
brk               12  214
rt_sigaction      13  134
rt_sigprocmask    14  135
rt_sigreturn      15  139
readv             19   65
writev            20   66
sched_yield       24  124
mremap            25  216
madvise           28  233
getpid            39  172
exit              60   93
gettimeofday      96  169
getrusage         98  165
sigaltstack      131  132
gettid           186  178
futex            202   98
restart_syscall  219  128
clock_gettime    228  113
clock_getres     229  114
clock_nanosleep  230  115
exit_group       231   94
getrandom        318  278
rseq             334  293
set_robust_list  273   99
"""
"""Name, number on x86_64 (asm/unistd_64.h), number on aarch64 (asm-generic/unistd.h)."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def program(machine: str) -> bytes:
    """The BPF program for a machine name as ``platform.machine()`` gives it. Raises Unavailable for others."""
    if machine not in _ARCHITECTURES:
        raise Unavailable("sandbox-unsupported-machine", machine=machine)
    column = 1 + list(_ARCHITECTURES).index(machine)
    allowed = [int(line.split()[column]) for line in _ALLOWED.split("\n") if line]
    architecture, clone = _ARCHITECTURES[machine]
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    code += [(_JUMP_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    code += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    code += [(_JUMP_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    code += [(_JUMP_BITS, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]
    for left, number in zip(range(len(allowed), 0, -1), allowed, strict=True):
        code.append((_JUMP_EQUAL, left, 0, number))
    code += [(_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def confine() -> None:
    """Install the filter on this thread and all it would ever start. Raises Unavailable when the kernel will not."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    wanted = _Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(wanted), 0, 0):
        raise Unavailable("sandbox-no-seccomp", errno=ctypes.get_errno())
