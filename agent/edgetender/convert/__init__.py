"""Other products' deployment documents, read as this one's manifests. Pure: documents in, documents out."""
