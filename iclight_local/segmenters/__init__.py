"""Finding the subject of a picture: rembg's models and ONNX files of one's own.

``catalogue`` is the list of models (data only), ``base`` the one thing that all segmenters can do,
``rembg_session`` opens them, ``subject`` decides from a network's answer whether there is a subject at all.
"""
