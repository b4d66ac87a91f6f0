"""DConRec's Tables 3 and 4, Figures 4 and 5, and what the estimators are worth, on this machine's
CPU.
"""
