"""What a page, a gauge or a person is told of the loop."""
