"""The live page: letters and picture in a browser. server.py is its thread, views.py its addresses."""
