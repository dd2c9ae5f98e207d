"""Tables, queries and migrations: the only place that knows SQL.

`Store` is the whole of it to the rest of the program; each of its members is one family of named queries.
"""

from storage.store import Store

__all__ = ["Store"]
