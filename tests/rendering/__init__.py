"""A dozen answers as the platforms' clients would show them: pages to look at, made by the adapters' own renderers.

`python -m tests.rendering` writes docs/rendering/slack.html and discord.html. The readers here imitate the clients from
their documents, know nothing of the renderers, and show what a client does not understand as the text it is.
"""
