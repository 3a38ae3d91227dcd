"""What tools/compare is made of: the sets, the tools, how a run is measured and what is printed of it.

A tool is a file with a class that says how the tool is had, which settings it is tried with, and how it is called. No tool's code is here.
"""
