"""What follows from the model and the layout alone: parameters, FLOPs, memory, messages.

Never sees a graph; takes from ``collectives`` only its vocabulary, ``ops``.
"""
