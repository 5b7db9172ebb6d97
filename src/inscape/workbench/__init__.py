"""What a person asks of a model of their own: look into one prompt, probe a label, make a steering
vector.

One file for each command: `lens`, `attention`, `attribute`, `patch`, `ablate`, `top`, `probe` and
`steering`.
"""
