"""Pages about runs: report.html of one run, and the comparison of several.

`tn.report(run)` writes the page of a run folder. A page is one file that needs no network and runs
no script.
"""

from tinynet.reports.comparison import compare
from tinynet.reports.run_page import report, write_for

__all__ = ["compare", "report", "write_for"]


def __dir__() -> list[str]:
    return __all__
