"""DConRec: Bernoulli probabilities of keeping interactions, learned by descent of an outer loss."""
