"""Stop signals: Ctrl-C, SIGTERM and SIGHUP end a run after the current step, and it is saved.

The first signal is noted. A second Ctrl-C or SIGTERM stops the process at once. A closed terminal
often sends SIGHUP twice, so further ones are ignored. If the current step takes longer than
`PATIENCE`, the process ends without waiting for it; the checkpoint that was saved last is whole.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from tinynet.words import phrase

PATIENCE = 4.0  # seconds; leaves one second for the save

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # None: Windows
if HANG_UP is not None:
    NAMES[HANG_UP] = "SIGHUP"


class StopRequest:
    """The first stop signal that arrived.

    Attributes
    ----------
    why : str
        The signal as a user knows it, "" before there is one.
    exit_code : int
        128 + the number of the signal, as shells report it.
    """

    def __init__(self) -> None:
        self.why = ""
        self.exit_code = 0
        self._timer: threading.Timer | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; a second Ctrl-C or SIGTERM has its usual effect."""
        for each in NAMES:
            signal.signal(each, signal.SIG_IGN if each == HANG_UP else signal.SIG_DFL)
        self.why = NAMES[signal.Signals(number)]
        self.exit_code = 128 + number
        self._timer = threading.Timer(PATIENCE, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def step_is_done(self) -> None:
        """Cancel the time limit: the step has ended, and the save may take its time."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):  # the terminal may be closed
            sys.stderr.write(
                phrase(
                    "The current step did not finish within {seconds:g} s of {why}. Stopping now; "
                    "the last checkpoint is whole.",
                    seconds=PATIENCE,
                    why=self.why,
                )
                + "\n"
            )
            sys.stderr.flush()
        os._exit(self.exit_code)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note the stop signals inside the block in a StopRequest, in place of their usual effect.

    An ignored SIGHUP (``nohup``) stays ignored. Outside the main thread nothing is noted, since
    Python delivers signals to the main thread only.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    noted = [number for number in NAMES if not _ignored_by_nohup(number)]
    before = {number: signal.signal(number, request.receive) for number in noted}
    try:
        yield request
    finally:
        request.step_is_done()
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignored_by_nohup(number: signal.Signals) -> bool:
    return number == HANG_UP and signal.getsignal(number) == signal.SIG_IGN
