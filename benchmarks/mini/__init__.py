"""What a bundle of weights can do, on held-out synthetic scenes whose light, paint and geometry are known.

``report`` runs the sections and keeps the JSON, ``trial`` says what is measured on what, ``run`` hands out scenes and
pictures, ``relight`` asks a bundle (or the renderer itself) for them, ``sheet`` shows them. Each section has a module
with two halves: one asks for pictures, the other turns pictures into figures and can be fed with true renders.
"""
