"""The judge: a history goes in, a verdict comes out. Pure; it opens nothing and starts nothing."""
