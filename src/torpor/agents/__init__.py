"""
Agents that survive anything: a model, its tools and their conversation, as workflow code.

Each answer of a model is the result of a step, paid for once; each tool is a step, a function of the workflow, a
workflow or a tool of an MCP server; a person's approval is a hook. The same file is read by workers and in the VM.
"""

from __future__ import annotations

from torpor.agents.agent import Agent, AgentResult
from torpor.agents.budget import Budget
from torpor.agents.mcp import McpServer
from torpor.agents.messages import Message, Prompt, Reply, ToolCall, ToolResult, Usage
from torpor.agents.models import model
from torpor.agents.tools import Approval, Tool, tool
from torpor.errors import BudgetExceededError, ModelError, OutputError

__all__ = [
    "Agent",
    "AgentResult",
    "Approval",
    "Budget",
    "BudgetExceededError",
    "McpServer",
    "Message",
    "ModelError",
    "OutputError",
    "Prompt",
    "Reply",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Usage",
    "model",
    "tool",
]
