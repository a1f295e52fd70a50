"""Search: what is looked for becomes words, and changes of repositories entries of an index; what is found is asked for anew."""
