"""Reports of single sources to partial analyses, which merge, and to the report of a whole fleet."""
