"""NOUN: who did what, when and from where. Opaque ids only, so that erasing a person leaves the record whole."""
