"""The judgement of models: metrics, bands of retrained models, reports and verdicts."""
