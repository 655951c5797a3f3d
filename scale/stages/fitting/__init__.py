"""`pretrain`, `finetune`, `retrain`: models trained on the likelihood of rows, or given."""
