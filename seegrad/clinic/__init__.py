"""Why autograd failed, or gave what nobody expected: said about the learner's own lines.

``table`` is where to begin: it knows PyTorch's messages, and which function explains each. What
those say is proven by the recording, by the traceback, or by the graph that is still there; where
none of them can tell, the diagnosis says what would.
"""
