"""One question asked of many sites at once: the sweep, scores of classes and detectors, each with
its null and interval.
"""

from inscape.core.exports import export

export(__name__)
