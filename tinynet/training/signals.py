"""Ctrl-C and SIGTERM as requests: the step at hand is finished, then the run saves itself.

The first signal is noted. The second one stops the process at once, by the system's own default.
A step that takes longer than `PATIENCE` after the first signal is not waited for: the process
leaves, and the checkpoint that was saved last stands.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

PATIENCE = 4.0  # seconds; leaving one for the save

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class StopRequest:
    """What has been asked for so far."""

    def __init__(self) -> None:
        self.why = ""
        self.exit_code = 0
        self._timer: threading.Timer | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; from here on the same signal is deadly again."""
        for each in NAMES:
            signal.signal(each, signal.SIG_DFL)
        self.why = NAMES[signal.Signals(number)]
        self.exit_code = 128 + number
        self._timer = threading.Timer(PATIENCE, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def step_is_done(self) -> None:
        """Say that nothing but the save is left, which may take its time."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        sys.stderr.write(
            f"The step at hand did not finish within {PATIENCE:g} s of {self.why}. "
            "Stopping now; the last checkpoint is whole.\n"
        )
        sys.stderr.flush()
        os._exit(self.exit_code)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Inside the block SIGINT and SIGTERM are noted in the StopRequest instead of killing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # Python delivers signals to the main thread only
        return
    before = {number: signal.signal(number, request.receive) for number in NAMES}
    try:
        yield request
    finally:
        request.step_is_done()
        for number, handler in before.items():
            signal.signal(number, handler)
