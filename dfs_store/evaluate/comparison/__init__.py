"""Compares methods: condenses and evaluates every cell of a table.

`spec` specifies a comparison, `rows` derives its rows, `paper` specifies the paper's tables, `controls` adds
the control rows, `cells` condenses and evaluates a cell, and `run` runs all of them.
"""
