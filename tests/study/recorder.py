"""A run that keeps what it is given in memory."""

from __future__ import annotations

import contextlib

from inscape.study.run import Run


class Recorder(Run):
    """What a protocol asks of a run, without a folder.

    Attributes:
        figures, tables: name → caption, name → frame.
        certificates, warnings, lines: as they came.
        steps: what the progress bars were advanced by; `totals` what they were to reach.
    """

    def __init__(self, seed: int = 3):
        self.seed = seed
        self.figures, self.tables = {}, {}
        self.certificates, self.warnings, self.lines = [], [], []
        self.steps, self.totals = [], []
        self._facts = {}

    def figure(self, name, chart, caption, frame=None):
        self.figures[name] = caption

    def table(self, name, frame, caption):
        self.tables[name] = frame

    def certificate(self, certificate):
        self.certificates.append(certificate)

    def warn(self, sentence):
        self.warnings.append(sentence)

    def log(self, message, *values):
        self.lines.append(message % values)

    @contextlib.contextmanager
    def progress(self, description, total=None, unit="steps"):
        self.totals.append(total)
        steps = self.steps

        class Bar:
            def advance(self, count=1):
                steps.append(count)

        yield Bar()
