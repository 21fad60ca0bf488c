"""systemd, the journal, credentials and the kernel's files."""
