"""`relay` without its start-up: half a second of imports, forty times, would be most of what these tests take.

`quick_relay.py SOCKET serve` imports the command line once and forks for each call; `quick_relay.py SOCKET call …`
hands its arguments, environment, directory and standard files over and ends with the status that comes back.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn


def serve(path: str) -> None:
    """Carry out calls until the process is ended."""
    from cli.start import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        while True:
            connection, _ = listener.accept()
            message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                for number, file in enumerate(files):
                    os.dup2(file, number)
                arguments, environ, directory = json.loads(message)
                os.environ.clear()
                os.environ.update(environ)
                os.chdir(directory)
                sys.argv = ["relay", *arguments]
                status = 0
                try:
                    main()
                except SystemExit as ended:
                    status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
                sys.stdout.flush()
                connection.sendall(bytes([status]))
                os._exit(status)
            connection.close()
            for file in files:
                os.close(file)


def call(path: str, arguments: list[str]) -> NoReturn:
    """Have the server carry out one call; ends this process with its status, or 1 where it broke."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        message = json.dumps([arguments, dict(os.environ), str(Path.cwd())])
        socket.send_fds(connection, [message.encode()], [0, 1, 2])
        status = connection.recv(1)
    sys.exit(status[0] if status else 1)


if __name__ == "__main__":
    if sys.argv[2] == "serve":
        serve(sys.argv[1])
    call(sys.argv[1], sys.argv[3:])
