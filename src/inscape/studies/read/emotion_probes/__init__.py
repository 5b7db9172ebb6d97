"""Emotion probes: the study, the circle of affect and the depth of the best layer, which only it measures."""
