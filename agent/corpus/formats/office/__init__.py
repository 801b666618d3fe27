"""Packages of parts, charts and diagrams, shared by the formats of Microsoft Office."""
