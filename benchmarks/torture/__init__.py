"""Hostile inputs and sudden deaths, bounded in time: `make torture MINUTES=10` writes
docs/reliability.md.
"""
