"""Sparse probing: the study, and the sweep of k-sparse probes that only it runs."""
