"""A demo: a site whose checks watch targets that the program serves itself, with trouble every other minute."""
