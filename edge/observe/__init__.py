"""What a page, a gauge or a person is shown of the loop."""
