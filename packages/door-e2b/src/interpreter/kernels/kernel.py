"""Kernels of Jupyter for languages other than Python: bash, and by Node.js JavaScript and TypeScript."""

import codecs
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

HERE = os.path.dirname(os.path.abspath(__file__))
LANGUAGE = os.environ['SPAWNPOINT_KERNEL']
INTERRUPTED = {'type': 'error', 'name': 'KeyboardInterrupt', 'value': 'Execution interrupted', 'trace': []}

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def ends_with_kernel():
    # A kernel that is busy is killed: what keeps it busy must not go on without it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Node:
    """A process of session.cjs, which runs code and says in lines of JSON what comes of it."""

    def __init__(self):
        requests, self.requests = os.pipe()
        answers, end = os.pipe()
        args = ['node', '--experimental-vm-modules', os.path.join(HERE, 'session.cjs'), str(requests), str(end), LANGUAGE]
        # What programs that it starts print comes by itself.
        self.process = subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=(requests, end), start_new_session=True, preexec_fn=ends_with_kernel,
        )
        os.close(requests)
        os.close(end)
        self.held = b''
        self.streams = Streams({'stdout': self.process.stdout.fileno(), 'stderr': self.process.stderr.fileno()})
        self.streams.add('answers', answers)

    def begin(self, code, silent):
        line = json.dumps({'code': code, 'silent': silent}).encode() + b'\n'
        while line:
            line = line[os.write(self.requests, line):]

    def pieces(self):
        """What the code gives, to its end."""
        while True:
            for name, data in self.streams.read():
                if name != 'answers':
                    if data:
                        yield {'type': 'stream', 'name': name, 'text': self.streams.text(name, data)}
                    continue
                if not data:
                    raise EOFError
                *lines, self.held = (self.held + data).split(b'\n')
                for line in lines:
                    piece = json.loads(line)
                    if piece['type'] == 'done':
                        return
                    yield piece

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)


class Bash:
    """An interactive shell: one that a signal takes out of what it does, without ending it."""

    def __init__(self):
        # In a session and a group of its own, which what it starts is in too.
        self.process = subprocess.Popen(
            ['bash', '--noprofile', '--norc', '--noediting', '-i', '+m'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
            preexec_fn=ends_with_kernel, env={**os.environ, 'PS1': '', 'PS2': '', 'HISTFILE': '/dev/null', 'TERM': 'dumb'},
        )
        self.streams = Streams({'stdout': self.process.stdout.fileno(), 'stderr': self.process.stderr.fileno()})
        self.mark = None
        self.file = tempfile.NamedTemporaryFile('w', prefix='.code-', suffix='.sh', delete=False)
        # What the shell says of itself when it begins is nothing of the code's.
        self.begin('PS1= PS2=', True)
        for _ in self.pieces():
            pass

    def begin(self, code, silent):
        self.mark = os.urandom(12).hex().encode()
        self.file.seek(0)
        self.file.truncate()
        self.file.write(code)
        self.file.flush()
        # What the code reads is not what comes after it.
        mark = self.mark.decode()
        line = f". '{self.file.name}' < /dev/null\n printf '\\036{mark}'; printf '\\036{mark}' >&2\n"
        self.process.stdin.write(line.encode())

    def pieces(self):
        """What the code prints, until both streams have the mark."""
        mark = b'\x1e' + self.mark
        held = {'stdout': b'', 'stderr': b''}
        left = set(held)
        while left:
            for name, data in self.streams.read():
                if not data:
                    raise EOFError
                if name not in left:
                    continue
                text = held[name] + data
                at = text.find(mark)
                if at >= 0:
                    left.discard(name)
                    given, held[name] = text[:at], b''
                else:
                    # The beginning of a mark may be at the end.
                    keep = next((n for n in range(min(len(mark), len(text)), 0, -1) if mark.startswith(text[-n:])), 0)
                    given, held[name] = text[:len(text) - keep], text[len(text) - keep:]
                if given:
                    yield {'type': 'stream', 'name': name, 'text': self.streams.text(name, given)}

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)


class Streams:
    def __init__(self, streams):
        self.selector = selectors.DefaultSelector()
        self.decoders = {}
        for name, fd in streams.items():
            self.add(name, fd)
            self.decoders[name] = codecs.getincrementaldecoder('utf-8')('replace')

    def add(self, name, fd):
        os.set_blocking(fd, False)
        self.selector.register(fd, selectors.EVENT_READ, name)

    def read(self):
        """What there is, b'' for the end of a stream; waits for some. Output comes before answers."""
        found = []
        for key, _ in self.selector.select():
            data = os.read(key.fd, 1 << 16)
            if not data and key.data != 'answers':
                self.selector.unregister(key.fd)
            found.append((key.data, data))
        return sorted(found, key=lambda one: one[0] == 'answers')

    def text(self, name, data):
        return self.decoders[name].decode(data)


class LanguageKernel(Kernel):
    implementation = 'spawnpoint'
    implementation_version = '1'
    language_info = {
        'name': LANGUAGE,
        'mimetype': 'text/plain',
        'file_extension': {'bash': '.sh', 'javascript': '.js', 'typescript': '.ts'}[LANGUAGE],
    }
    banner = LANGUAGE

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.session_process = None

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False):
        failed = None
        try:
            if self.session_process is None:
                self.session_process = Bash() if LANGUAGE == 'bash' else Node()
            session = self.session_process
            session.begin(code, silent)
            for piece in self.uninterrupted(session):
                if piece['type'] == 'error':
                    failed = piece
                self.tell(piece, silent)
        except (EOFError, BrokenPipeError):
            # It ended itself; what comes next begins anew.
            self.session_process = None
        except KeyboardInterrupt:
            failed = INTERRUPTED
        if failed is not None:
            error = {'ename': failed['name'], 'evalue': failed['value'], 'traceback': failed['trace']}
            return {'status': 'error', 'execution_count': self.execution_count, **error}
        return {'status': 'ok', 'execution_count': self.execution_count, 'payload': [], 'user_expressions': {}}

    def uninterrupted(self, session):
        """Pieces to the end, also of what is interrupted: it is told so and says when it has ended."""
        was_interrupted = False
        pieces = session.pieces()
        while True:
            try:
                piece = next(pieces)
            except StopIteration:
                break
            except KeyboardInterrupt:
                was_interrupted = True
                session.interrupt()
                pieces = session.pieces()
                continue
            yield piece
        if was_interrupted and LANGUAGE == 'bash':
            yield INTERRUPTED

    def tell(self, piece, silent):
        if silent:
            return
        kind = piece['type']
        if kind == 'stream':
            self.send_response(self.iopub_socket, 'stream', {'name': piece['name'], 'text': piece['text']})
        elif kind == 'display':
            self.send_response(self.iopub_socket, 'display_data', {'data': piece['data'], 'metadata': {}})
        elif kind == 'result':
            content = {'execution_count': self.execution_count, 'data': piece['data'], 'metadata': {}}
            self.send_response(self.iopub_socket, 'execute_result', content)
        elif kind == 'error':
            content = {'ename': piece['name'], 'evalue': piece['value'], 'traceback': piece['trace']}
            self.send_response(self.iopub_socket, 'error', content)

    def do_shutdown(self, restart):
        if self.session_process is not None:
            self.session_process.process.kill()
        return {'status': 'ok', 'restart': restart}


if __name__ == '__main__':
    sys.path.pop(0)
    IPKernelApp.launch_instance(kernel_class=LanguageKernel)
