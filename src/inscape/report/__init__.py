"""Reports: what a person reads after a run.

Everything here reads run folders and nothing else: no study, no model, no store. `build` writes one
self-contained HTML page that opens without a network, and every figure as PNG, SVG and PDF;
`markdown` writes the same for a terminal.
"""
