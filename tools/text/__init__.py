"""Text search for the tools: phrases, words, ranking, differences, and headers and footers."""
