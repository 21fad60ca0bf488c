"""The live page: what the loop reads, in a browser. server.py is its thread, views.py its addresses."""
