"""Few bits: what rounding does to a small move of the weights."""
