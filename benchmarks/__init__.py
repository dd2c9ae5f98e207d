"""What an answer costs: Parley beside the bare loops of the SDKs, on one machine and in one run.

`python -m benchmarks` measures, prints a table and writes `docs/benchmarks.md`. Nothing here is part of the product.
"""
