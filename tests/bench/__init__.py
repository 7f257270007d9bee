"""The figures of the closing notes, each one file: `./run bench`, or `./run bench NAME …`."""
