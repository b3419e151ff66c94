"""Is a problem fit to be published? Cheap answers that must be wrong are put before its own check.

``findings``  what an audit found, as values, and what follows from it: pure
``nulls``     the null solutions: answers that take no computing, or too little of it
``audit``     runs reference and check of one problem on every case, in a process of its own
``skeleton``  the files that a new problem begins with
"""
