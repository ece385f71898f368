"""Controls and canvases of our own: a Python file, a script and a style each."""
