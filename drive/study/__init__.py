"""The offline study: hundreds of paths a minute, driven on answers that were computed beforehand.

    conditions, worlds, answers      what is seen where, and what the network says of it
    laws, fleet, plans               how fast to drive, and many paths driven at once
    measures                         time against missed signs, and the time saved

`conditions`, `worlds` and `laws` are declared: each was committed before a report path was driven.
"""
