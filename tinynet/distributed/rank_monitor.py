"""Says which rank died: a small process beside the ranks of one machine, for they cannot say it.

    python rank_monitor.py CONFIG COMMAND RANK:PROCESS RANK:PROCESS ...

`mpiexec` ends all ranks as soon as one of them dies, before the others can say a word, and names
the process but not the rank. So each machine has a watcher, in a session of its own. It ends with
the first death, or when a rank has come to its own end (see `ranks.Mpi.watched`).
"""

import os
import select
import socket
import sys


def first_to_die(ranks: dict[int, int]) -> int:
    """Wait for the first of {rank: process} to die; return the rank."""
    deaths, rank_of = select.epoll(), {}
    for rank, process in ranks.items():
        try:
            handle = os.pidfd_open(process)
        except ProcessLookupError:
            return rank
        rank_of[handle] = rank
        deaths.register(handle, select.EPOLLIN)
    return rank_of[deaths.poll()[0][0]]  # where several died, they are in the order of their deaths


def main(config: str, command: str, *ranks: str) -> None:
    """Watch, and say one sentence; where a run has written its configuration, also how to go on."""
    processes = {int(rank): int(process) for rank, process in (r.split(":") for r in ranks)}
    try:
        rank = first_to_die(processes)
    except OSError:  # a container may forbid to watch processes; mpiexec's own words are left then
        return
    how = f" Go on with: {command}" if os.path.exists(config) else ""
    where = f"process {processes[rank]} on {socket.gethostname()}"
    sys.stderr.write(f"rank {rank} ({where}) died; the other ranks stop.{how}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
