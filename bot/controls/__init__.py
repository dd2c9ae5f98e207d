"""What a team can set: the kinds of values, the one table of settings, what holds where, and who set it."""
