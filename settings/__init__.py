"""What settings are made of; `config.py` says which there are. Imports nothing of the application."""
