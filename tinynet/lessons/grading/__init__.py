"""Grading of handed-in files, by processes that do not trust them.

=========  =====================================================================================
module     part
=========  =====================================================================================
batch      the files of a folder, graded in parallel; table and CSV
judge      a process for one file: runs the checks, asks the pupil for each result
pupil      a process that runs the learner's definitions, inside the sandbox, and answers calls
slices     the statements of a file that an answer needs
sandbox    limits on time, memory, files, processes and the network (Linux)
wire       messages between judge and pupil: plain values and arrays, never code
=========  =====================================================================================

A learner's code never runs in the process that decides. What it does to its own copy of the
library, to NumPy or to the checks cannot change a verdict.
"""
