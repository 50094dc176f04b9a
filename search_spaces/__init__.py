"""What may be searched: optuna distributions only, one file a model (of the same name), gathered in `catalog`."""
