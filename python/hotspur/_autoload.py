"""`hotspur autoload on|off|status`: a .pth file that enables Hotspur at every start of this Python."""

import os
import site
import sys
import sysconfig

NAME = "hotspur-autoload.pth"

# One line, as the site module wants it. It must cost next to nothing when Hotspur is switched off, and must never
# disturb a start: a package that is gone is no reason to complain.
CONTENT = (
    "import os; os.environ.get('HOTSPUR') == '0' or "
    'exec("try:\\n import hotspur._autostart\\nexcept Exception: pass")\n'
)


def path():
    """Returns where the file is, or would be: beside the installed package, if that is in a site-packages folder."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if folder not in [*site.getsitepackages(), site.getusersitepackages()]:
        folder = sysconfig.get_path("purelib")
    return os.path.join(folder, NAME)


def main(verb):
    """Does what the command line says, and ends the process."""
    file = path()
    try:
        if verb == "on":
            with open(file, "w", encoding="ascii") as out:
                out.write(CONTENT)
        elif verb == "off":
            try:
                os.remove(file)
            except FileNotFoundError:
                pass
        on = os.path.exists(file)
    except OSError as error:
        sys.exit(f"hotspur: cannot switch autoload {verb}: {error.strerror}: {file}")
    print(f"autoload is {'on' if on else 'off'} for {sys.executable} ({file})")
    sys.exit(0)
