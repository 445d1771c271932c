"""Tables of any kind of file: columns, numbers as people write them."""
