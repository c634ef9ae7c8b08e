"""Comparing methods: every cell condensed, evaluated and put into a table.

`spec` says what is compared, `rows` which stores that takes, `paper` what the paper's tables compare,
`controls` the rows that every comparison has beside its methods, `cells` one store and its evaluation, `run`
all of them.
"""
