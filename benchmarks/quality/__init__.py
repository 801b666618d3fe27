"""How well a model answers from long prompts: tasks from seeds, their scores, and a runner that can be interrupted.

It knows text, counted in tokens by whoever asks, and no model: what answers is a function that `run` is given. The
prompts of published benchmarks are theirs, byte for byte, because they are what is measured; docs/quality.md says how
that was checked.
"""
