"""The theorems of arXiv:2404.05868, with explicit constants and rates; slips in its displays."""
