"""What the tests' own handlers (*.py in a checkout) import and are given.

The interface is that of the web platform tests' server; the code is not. It
goes as far as the handlers of the tests in question need.
"""
