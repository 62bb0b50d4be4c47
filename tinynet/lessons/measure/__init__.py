"""Longer experiments that the lessons quote: ``python -m tinynet.lessons.measure NAME``.

A lesson must end within a minute, and one minute answers some questions by luck. Here the same
question is asked with several seeds. Each module is one question; it prints its settings first.
"""
