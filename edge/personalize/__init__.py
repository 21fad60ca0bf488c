"""What this device was taught."""
