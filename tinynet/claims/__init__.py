"""The paper's claims, measured: each with its runs, seeds and intervals, beside what was published.

A claim is a statement with the runs that test it (`claim`, `catalog`). A `trial` has the settings
of a run, `networks` the small networks, `measure` trains one and measures it, `runner` runs what is
missing in `workers`, `results` keeps it, `statistics` gives intervals and the verdict, `outcome`
puts them into words.
"""
