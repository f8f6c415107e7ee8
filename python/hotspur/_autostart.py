"""Imported by the .pth file of `hotspur autoload on` at every start of Python."""

try:
    from hotspur._hotspur import autostart
except ImportError:
    from hotspur import enable as autostart

autostart()
