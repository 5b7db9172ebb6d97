"""Gated neurons by input and output: the study, and the mean-ablation of neurons that only it does."""
