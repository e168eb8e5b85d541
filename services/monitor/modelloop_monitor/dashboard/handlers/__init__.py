"""One function for each page: read, make the view, render."""
