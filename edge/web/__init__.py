"""The live page: letters and picture in a browser.

server.py is the loop's end, process.py the process with the connections of clients, views.py its addresses.
"""
