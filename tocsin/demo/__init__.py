"""A demo: a site whose checks watch targets that the program serves itself, with a little trouble every minute."""
