"""What is fed to a network: tables of examples with labels and groups, their loaders, and where to
look in each text.
"""

from inscape.core.exports import export

export(__name__)
