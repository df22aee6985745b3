"""Pictures as numpy arrays and Pillow images: decode, encode, fit, matte, light maps. No torch."""
