"""What is read and asked: rows of TOFU, fictitious authors and users, and how they become token ids."""
