"""Signing in by OpenID Connect: what providers publish and answer, what is believed of it, whom it lets in."""
