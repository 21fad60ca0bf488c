"""`asl-edge bench`: measure speed on this device, compare measurements, and tune the settings."""
