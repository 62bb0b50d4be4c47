"""End of a run of ``tinynet train``: its result, findings, files, and the next commands."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from tinynet import reports
from tinynet.cli.console import Display, count_epochs, duration, interval
from tinynet.cli.output import Output
from tinynet.distributed.process_group import ProcessGroup
from tinynet.training import diagnosis, run_dir
from tinynet.training.recipe_data import Sets
from tinynet.training.runs import Finished, Run, Stopped
from tinynet.words import Sentence, sentence


def report_end(
    run: Run,
    sets: Sets,
    end: Stopped | Finished | None,
    said: set[str],
    shown: Display,
    output: Output,
) -> None:
    """Show the result, findings, the files, and how to resume or use the run."""
    if isinstance(end, Stopped):
        again = resumption(run.ranks, run.folder)
        shown.end(
            sentence(
                "Stopped: {why}. Saved after epoch {epoch}, step {step}. Resume with:\n  {again}",
                why=sentence(end.why),
                epoch=run.state.epoch,
                step=run.state.step,
                again=again,
            ),
            {
                "state": "stopped",
                "why": end.why,
                "epoch": run.state.epoch,
                "step": run.state.step,
                "resume": again,
            },
        )
    if isinstance(end, Finished):
        counts = [
            np.bincount(each.labels.astype(np.intp), minlength=len(run.classes))
            for each in sets[:2]
        ]
        for finding in diagnosis.of_run(run.state.records, *(c.tolist() for c in counts)):
            if finding.kind != "chance" or "plateau" not in said:
                shown.find(finding)
        if output.report:
            _write_page(run, sets, shown)
        _report_result(run, sets, end.result, shown)


def _write_page(run: Run, sets: Sets, shown: Display) -> None:
    """Write report.html; whatever happens to it is a note, since the run itself is done."""
    try:
        reports.write_for(run, sets)
    except Exception as error:  # noqa: BLE001
        said = "{page} could not be written: {error}"
        shown.say(sentence(said, page=run.folder / run_dir.REPORT, error=error))


def _report_result(run: Run, sets: Sets, result: dict[str, Any], shown: Display) -> None:
    """Show the result of a finished run, its files, and the next commands."""
    files = [str(run.folder / name) for name in run_dir.WRITTEN if (run.folder / name).exists()]
    text = _result(run, len(sets[1]), result, files)
    shown.end(text, {"state": "finished", "result": result, "files": files})


def _result(run: Run, images: int, result: dict[str, Any], files: list[str]) -> Sentence:
    """Return the result, the files and the next commands as lines."""
    accuracy = result["test_accuracy"]
    return sentence(
        "test accuracy {percent:.2f} % after {epochs}, {time}; {parameters:,} parameters; "
        "{interval}. Written:\n{files}\n"
        "Next: tinynet predict {folder} IMAGE, or tinynet explain {folder}",
        percent=100 * accuracy,
        epochs=count_epochs(result["epochs"]),
        time=duration(result["seconds"]),
        parameters=result["parameters"],
        interval=interval(accuracy, images),
        files="\n".join(f"  {file}" for file in files),
        folder=shlex.quote(str(run.folder)),
    )


def resumption(ranks: ProcessGroup, folder: Path) -> str:
    """Return the command that resumes the run in a folder, with as many ranks."""
    several = f"mpiexec -n {ranks.size} " if ranks.size > 1 else ""
    return f"{several}tinynet train --resume {shlex.quote(str(folder))}"
