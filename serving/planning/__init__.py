"""GPU plans: the memory and the time that a model takes in each layout."""
