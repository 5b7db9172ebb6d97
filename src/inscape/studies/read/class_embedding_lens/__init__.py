"""The class-embedding lens: the study, and the tokens of pictures that only it deletes and probes."""
