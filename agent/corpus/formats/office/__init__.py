"""What the formats of Microsoft Office share: packages of parts, charts and diagrams."""
