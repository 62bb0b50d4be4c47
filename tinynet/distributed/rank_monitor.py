"""Monitor process that reports which MPI rank was killed; the ranks cannot report it themselves.

    python rank_monitor.py CONFIG COMMAND RANK:PROCESS RANK:PROCESS ...

`mpiexec` ends all ranks as soon as one of them dies, and names the process but not the rank. So
each machine has a monitor, in a session of its own. It ends with the first death, or when a rank
reaches its own end (see `process_group.MpiGroup.monitored`).
"""

import os
import select
import socket
import sys


def first_to_die(processes: dict[int, int]) -> int:
    """Wait for the first of {rank: process} to die; return its rank.

    Raises
    ------
    OSError : if processes cannot be watched here, as in some containers
    """
    if not hasattr(os, "pidfd_open") or not hasattr(select, "epoll"):
        raise OSError("only Linux can watch processes so")
    deaths = select.epoll()
    rank_of = {}
    for rank, process in processes.items():
        try:
            handle = os.pidfd_open(process)
        except ProcessLookupError:
            return rank
        rank_of[handle] = rank
        deaths.register(handle, select.EPOLLIN)
    first, _ = deaths.poll()[0]  # in the order of the deaths
    return rank_of[first]


def main(config: str, command: str, *ranks: str) -> None:
    """Report the first death in one sentence.

    Parameters
    ----------
    config : file without which there is nothing to resume
    command : resumes the run
    ranks : "RANK:PROCESS" each
    """
    processes = {}
    for named in ranks:
        rank, process = named.split(":")
        processes[int(rank)] = int(process)
    try:
        dead = first_to_die(processes)
    except OSError:  # only mpiexec's own message is left then
        return
    how = f" Resume with: {command}" if os.path.exists(config) else ""
    where = f"process {processes[dead]} on {socket.gethostname()}"
    sys.stderr.write(f"rank {dead} ({where}) died; the other ranks stop.{how}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
