"""Parse files in separate processes, which may crash or be killed."""
