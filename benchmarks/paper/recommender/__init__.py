"""Table 2 of DConRec and transfer between models, with this library's methods beside the published
ones.
"""
