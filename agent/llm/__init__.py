"""Chat models: behind a server, or in this process. `protocol.py` has their contract."""
