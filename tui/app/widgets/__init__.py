"""One widget a file. All draw by the line API from what the board knows; none keeps a copy."""
