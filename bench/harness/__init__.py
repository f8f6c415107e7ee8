"""Measures programs under several Pythons, interleaved, and says what came out. Read in this order:

    programs.py        what is run: pyperformance's manifest and our own programs
    libraries.py       pyperformance and what its programs import, from PyPI
    configurations.py  what it is run under: stock, Hotspur's tiers, peers
    running.py         the processes, one after the other
    figures.py         ratios, means, confidence intervals
    warmup.py          what the curve of the early calls says
    report.py          result → Markdown;  plots.py: result → SVG
    baseline.py        comparison with the committed result
    coverage.py        how much is executed in tier 2
    cli.py             the commands

A result is one JSON object, described at the top of running.py; report, plots and baseline need nothing else.
"""
