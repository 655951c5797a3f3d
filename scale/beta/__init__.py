"""Which β: how far the forget answers should fall, how far a schedule lets them, and the β that makes both one."""
