"""Slack, Discord and OpenAI over their real wire protocols, on loopback.

For the demo and the tests alone: no room of the product imports from here.
"""
