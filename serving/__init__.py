"""What runs the model: the catalogue, the embedded engine, and the events both kinds of model report."""
