"""A survey of other people's networks: what is found in each, against what their modules say that there is."""
