"""What tests share: made pictures, small packages, a browser."""
