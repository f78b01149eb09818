"""The systems that stream is compared with: one program each, in that system's own best practice."""
