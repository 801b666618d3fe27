"""The tool `web_fetch`: reads pages of the public internet."""
