"""How the command and every `python -m npo.…` begin and end: what is around them, names checked, a refusal in words."""
