"""What the command `realtime-lab` does: copy the course, open it, export it. Nothing else imports from here."""
