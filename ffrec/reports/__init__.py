"""Tables, pages and figures, made from nothing but run folders."""
