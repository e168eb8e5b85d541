"""A Job that asks a new version what callers have asked the live one, before anybody else asks it."""
