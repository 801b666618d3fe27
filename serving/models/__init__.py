"""Models: the catalogue, downloads, conversion of GGUF files, sizes and fingerprints."""
