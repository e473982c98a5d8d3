"""Stands for a wildcard record in the DNS: every name leads to this machine, for the programs of one mount namespace."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import threading

RESOLV = "/etc/resolv.conf"
# A loopback address of this process's own: what else answers on port 53 of this machine stays out of the way.
ADDRESS = "127." + ".".join(str(byte) for byte in (os.getpid() + 0x550000).to_bytes(3, "big"))


@contextlib.contextmanager
def everything_is_here():
    """Programs started meanwhile ask us for names. Needs a mount namespace of its own, as script/test makes."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((ADDRESS, 53))
    serving = threading.Thread(target=serve, args=(listening,), daemon=True)
    serving.start()
    with tempfile.TemporaryDirectory() as dir:
        file = pathlib.Path(dir, "resolv.conf")
        file.write_text(f"nameserver {ADDRESS}\n")
        subprocess.run(["mount", "--bind", str(file), RESOLV], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", RESOLV], check=True)
            with contextlib.suppress(OSError):  # says that it was not connected, and wakes who waits in it all the same
                listening.shutdown(socket.SHUT_RDWR)
            # As long as it waits in it the address is taken, closed or not.
            serving.join()
            listening.close()


def serve(listening):
    with contextlib.suppress(OSError):  # closed: the end
        while (received := listening.recvfrom(512))[0]:
            query, client = received
            listening.sendto(answer(query), client)


def answer(query):
    """One question, as resolvers send it: an address for IPv4, nothing for all else."""
    end = query.index(0, 12) + 5
    is_ipv4 = query[end - 4 : end - 2] == b"\0\1"
    counts = b"\0\1" + (b"\0\1" if is_ipv4 else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton("127.0.0.1")
    return query[:2] + b"\x85\x80" + counts + query[12:end] + (record if is_ipv4 else b"")
