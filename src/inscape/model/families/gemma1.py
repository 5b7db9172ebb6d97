"""Gemma 1: a Llama whose norms multiply by one plus their weight."""

from __future__ import annotations

from dataclasses import replace

from inscape.model.families.llama import FAMILY as LLAMA

FAMILY = replace(LLAMA, name="gemma1", model_types=("gemma",), adjust=None)
