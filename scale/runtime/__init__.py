"""What any long computation needs: processes, checkpoints, tensors on disk."""
