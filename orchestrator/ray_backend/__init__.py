"""The sweep on a Ray cluster: the only package that imports Ray.

cluster.py joins or starts one; search.py runs the trials under one Tuner; refits.py runs the winners under Ray Train;
backend.py is the flow. The images of each category lie once in the object store, and every worker of a node reads them
in place.
"""
