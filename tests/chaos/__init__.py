"""The proof that nothing is lost and nothing said twice: the real process, killed again and again under load.

`python -m tests.chaos --kills 100 --seed 1` plays rounds of a seeded plan; `plan.py` says what happens in one.
"""
