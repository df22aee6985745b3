"""The only home of torch, diffusers and transformers."""
