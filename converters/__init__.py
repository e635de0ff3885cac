"""Native labels of each dataset into the shared schema: one module a dataset."""
