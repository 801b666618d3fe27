"""Evaluate how well a model answers from long prompts: tasks made from seeds, their scores, and a runner that can
resume.

This package knows text and token counts, but no model: `run` is given a function that answers. The prompts of published
benchmarks are the original ones, byte for byte; docs/quality.md says how that was checked.
"""
