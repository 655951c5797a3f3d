"""`unlearn/<method>`: what a method begins with, its run, its best moment, what it leaves."""
