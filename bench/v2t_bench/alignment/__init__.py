"""Maps that bring vectors of one space to another, from pairs and without."""
