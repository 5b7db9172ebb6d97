"""Arrays and tokens as small self-contained pieces of HTML and as text: no script, no network,
every text escaped.
"""
