"""How the embedded model is made: scenes rendered once, an autoencoder, a UNet with its text model, a segmenter."""
