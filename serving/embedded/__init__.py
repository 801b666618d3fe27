"""The embedded engine, which runs a model of transformers in this process."""
