"""Who else keeps the curves? An output's rows as the runs of an MLflow server, while a sweep goes on or afterwards."""
