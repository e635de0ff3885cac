"""The same columns with every row counted, misses and false positives costing, and fairer ones."""
