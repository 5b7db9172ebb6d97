"""Where a harvest's shards are computed: in this process, or by the workers of a Ray cluster. The
bytes are the same.
"""
