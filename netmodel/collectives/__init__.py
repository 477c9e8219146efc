"""The time of one operation of one group.

An algorithm is one file with its schedule and its closed form; the front door selects.
"""
