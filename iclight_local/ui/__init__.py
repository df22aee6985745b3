"""The page: relight in the browser, before and after. Gradio draws it (extra ``ui``); nothing else imports this."""

PATH = "/ui"
"""Where it stands."""
