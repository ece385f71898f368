"""The pages: Gradio around canvases of our own. Nothing here imports torch."""
