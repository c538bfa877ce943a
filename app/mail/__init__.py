"""Mail: what shall be sent, kept until it is sent. What it says belongs to the noun that writes it."""
