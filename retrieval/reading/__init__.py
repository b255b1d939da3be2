"""Files to documents, documents to chunks: formats, headers, and what is suspicious in them."""
