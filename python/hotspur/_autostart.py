"""Imported by the .pth file of `hotspur autoload on` at every start of Python."""


def in_sub_interpreter():
    try:
        import _interpreters
    except ImportError:
        return False
    return _interpreters.get_current()[0] != _interpreters.get_main()[0]


try:
    from hotspur._hotspur import autostart
except ImportError:
    # A sub-interpreter runs on stock, as the program that made it could expect: nothing to warn of.
    if not in_sub_interpreter():
        from hotspur import enable

        enable()
else:
    autostart()
