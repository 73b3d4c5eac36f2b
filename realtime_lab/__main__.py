"""`python -m realtime_lab` is `realtime-lab`, for systems on which pip's scripts are not on the path."""

import sys

from realtime_lab.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())
