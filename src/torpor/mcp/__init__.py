"""An MCP server: what a model may look at and do to runs, within a role. See docs/mcp.md."""
