"""Records, maps and a picture as figures, colors and scales; no Gradio."""
