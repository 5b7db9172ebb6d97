"""What is fed to a network: tables of examples with labels and groups, their loaders, and where to
look in each text.
"""
