"""Ways to change vectors before they are released."""
