"""systemd, the journal, credentials, files that are replaced whole, and files of the kernel."""
