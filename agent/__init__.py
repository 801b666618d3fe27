"""The agent: reads documents, builds prompts, asks a model, runs its tools and checks its citations.

The public names are those of `longread`.
"""
