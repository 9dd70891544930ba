"""One line for each step, in the order in which they are taken."""

import sys
import time
import traceback


class Steps:
    """Counts the steps of one client. A step that needs another's result gets None from
    a failed one and so fails too: a failure early is seen in all that follows."""

    def __init__(self, client):
        self.client = client
        self.failed = 0

    def step(self, what, function, *args, **kwargs):
        try:
            result = function(*args, **kwargs)
        except Exception as error:  # whatever a client raises is a failed step
            self.failed += 1
            print(f"not ok {self.client}: {what}: {type(error).__name__}: {error}".replace("\n", " ")[:600])
            traceback.print_exc(file=sys.stderr)
            sys.stdout.flush()
            return None
        print(f"ok {self.client}: {what}")
        sys.stdout.flush()
        return result

    def end(self):
        sys.exit(1 if self.failed else 0)


def check(truth, said):
    if not truth:
        raise AssertionError(said)


def wait(what, condition, seconds=120):
    """Polls; the emulator answers in milliseconds."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.2)
