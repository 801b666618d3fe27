"""Tools of MCP servers: the client, its connections, and the `mcpServers` configuration."""
