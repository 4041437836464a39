"""The doors: HTTP routes that parse, call one verb and render."""
