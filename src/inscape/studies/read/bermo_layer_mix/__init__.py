"""BERMo: the study, and the fine-tuning under two heads that only it does."""
