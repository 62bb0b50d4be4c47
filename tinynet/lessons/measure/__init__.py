"""Longer experiments that the lessons quote: ``python -m tinynet.lessons.measure NAME``.

A lesson must end within a minute, and the result of one short run may be luck. These experiments
repeat the run with several seeds. Each module is one experiment; it prints its settings first.
"""
