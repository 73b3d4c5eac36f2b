"""Floor 3: a laboratory. One Lab is one server, a link and a client per participant, and one journal, on one thread of its own."""
