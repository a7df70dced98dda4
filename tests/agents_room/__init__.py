"""Tests of ``torpor/agents``. Not called ``agents``, which is how the OpenAI Agents SDK is imported."""
