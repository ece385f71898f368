"""One file a page: its layout, and what its events bring."""
