"""What people open in a browser. Everything works without script.

Pages translate between people and tasks.lifecycle; what may happen is decided there.
"""
