"""
The cast of an attack: processes that obey. A line is `ACTOR VERB WORD...`; each is answered by one line, an order that
made its actor another program by `ok`. The first actor is `me`, which runs as root and holds a connection that the others
make, so that it stays when they have died, have become others, or were followed by others under their pids.

    accomplice.py SOCKET FILE       where the issuer listens, and the bytes of a whole request
"""
import array
import ctypes
import inspect
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
place, file = sys.argv[1:3]
with open(file, 'rb') as opened:
    request = opened.read()

CAPABILITY_VERSION = 0x20080522
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_SET_PTRACER = 4, 8, 36, 0x59616D61
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
PTRACE_TRACEME, PTRACE_SEIZE = 0, 0x4206
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SYS_SETRESUID = {'x86_64': 117, 'aarch64': 147}.get(os.uname().machine, 0)
spiffe_id = re.compile(rb'\x0a.(spiffe://[a-z0-9.-]+/[a-zA-Z0-9/_-]+)\x12', re.S)


def called(name, *words):
    if getattr(libc, name)(*words) < 0:
        raise OSError(ctypes.get_errno(), f'{name}: {os.strerror(ctypes.get_errno())}')
    return 'ok'


class Actor:
    """What every process of the cast can do."""

    socket = None
    orders = None

    # The connection.
    def make(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.set_inheritable(True)

    def connect(self):
        if self.socket is None:
            self.make()
        self.socket.connect(place)

    def speak(self, count='1'):
        """All of the request; with `first` its first byte, with `rest` all others."""
        part = {'first': request[:1], 'rest': request[1:]}.get(count, request)
        try:
            self.socket.sendall(part)
        except OSError:
            pass  # It was cut: what comes back tells.

    def leave(self):
        self.socket.close()
        self.socket = None

    def listen(self, ms, enough=False):
        """Until the connection or the call is over: closed, ended or open, and the SPIFFE IDs that were sent."""
        end, seen, ids, state = time.monotonic() + int(ms) / 1000, b'', [], 'open'
        while state == 'open' and not (enough and ids):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                break
            got = self.receive()
            seen += got
            state = 'closed' if got == b'' else 'ended' if over(seen) else 'open'
            ids = sorted({name.decode() for name in spiffe_id.findall(seen)})
        return ' '.join([state, *ids])

    def receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b''

    def hear(self, ms):
        return self.listen(ms, True)

    # Who it is.
    def become(self, uid, gid, *gifts):
        saved = next((gift[6:] for gift in gifts if gift.startswith('saved=')), uid)
        called('prctl', PR_SET_KEEPCAPS, 0 if not {'capable', 'keep'} & set(gifts) else 1, 0, 0, 0)
        os.setgroups([int(gid)])
        os.setresgid(int(gid), int(gid), int(gid))
        os.setresuid(int(uid), int(uid), int(saved))
        if 'capable' in gifts:
            self.capabilities('all')

    def setresuid(self, *ids):
        os.setresuid(*map(int, ids))

    def setresgid(self, *ids):
        os.setresgid(*map(int, ids))

    def setgroups(self, *ids):
        os.setgroups(list(map(int, ids)))

    def capabilities(self, wanted):
        """`all` that it is permitted, or `none`; for the whole process, which has one thread."""
        header = struct.pack('Ii', CAPABILITY_VERSION, 0)
        sets = ctypes.create_string_buffer(24)
        called('capget', header, sets)
        low, high = struct.unpack('6I', sets.raw)[1::3]
        if wanted == 'none':
            low = high = 0
        return called('capset', header, struct.pack('6I', low, low, 0, high, high, 0))

    def thread(self, uid, verb):
        """A thread of it becomes another user, which threads can by the bare system call; then obeys."""
        told = []

        def run():
            told.append(called('syscall', SYS_SETRESUID, int(uid), int(uid), int(uid)))
            getattr(self, verb)()

        one = threading.Thread(target=run)
        one.start()
        one.join()
        return told[0]

    def unshare(self, *namespaces):
        flags = {'user': CLONE_NEWUSER, 'mount': CLONE_NEWNS, 'pid': CLONE_NEWPID}
        uid, gid = os.geteuid(), os.getegid()
        called('unshare', sum(flags[name] for name in namespaces))
        if 'user' in namespaces:
            for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
                with open(f'/proc/self/{name}', 'w') as mapped:
                    mapped.write(text)

    def masquerade(self, path):
        """In a mount namespace of its own its program has the path of another; under that it asks, and tells the answer."""
        called('mount', b'none', b'/', None, MS_REC | MS_PRIVATE, None)
        called('mount', os.path.realpath('/proc/self/exe').encode(), path.encode(), None, MS_BIND, None)
        words = [path, '-I', '-S', '-c', script, place, request.hex()]
        return subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout.strip()

    # Debuggers.
    def debuggable(self):
        called('prctl', PR_SET_DUMPABLE, 1, 0, 0, 0)
        libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)

    def trace(self, pid):
        return called('ptrace', PTRACE_SEIZE, int(pid), None, None)

    def linger(self):
        """A second thread, which does nothing; answers what it is known by."""
        second = threading.Thread(target=time.sleep, args=(60,), daemon=True)
        second.start()
        return str(second.native_id)

    def tracedByParent(self):
        return called('ptrace', PTRACE_TRACEME, 0, None, None)

    # Others.
    def exec(self, *words):
        os.execv(words[0], words)

    def exit(self):
        os._exit(0)

    def fork(self):
        """Answers the child's pid, and gives the one who ordered it the way to order the child."""
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            mine.close()
            self.obey(its)
        its.close()
        return str(pid), mine

    def give(self):
        return 'ok', self.socket

    def obey(self, orders):
        if self.orders is not None:
            self.orders.close()  # Else nobody would notice when the one that it was forked from becomes another program.
        self.orders = orders
        while True:
            data, passed, _, _ = socket.recv_fds(orders, 65536, 1)
            verb, *words = data.decode().split() or ['exit']
            if verb == 'take':
                self.socket = socket.socket(fileno=passed[0])
            answer, given = attempt(self, verb, words)
            rights = [] if given is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [given.fileno()]))]
            orders.sendmsg([answer.encode()], rights)

    def take(self):
        self.socket.set_inheritable(True)


def attempt(actor, verb, words):
    try:
        answer = getattr(actor, verb)(*words)
    except Exception as error:
        answer = f'failed {error}'
    return answer if isinstance(answer, tuple) else (answer or 'ok', None)


def over(frames):
    """Did a HEADERS frame end the call?"""
    at = 0
    while at + 9 <= len(frames):
        size, kind, flags = int.from_bytes(frames[at : at + 3], 'big'), frames[at + 3], frames[at + 4]
        if kind == 1 and flags & 1:
            return True
        at += 9 + size
    return False


class Director(Actor):
    """The one that takes orders from outside and passes them on. It is never another user."""

    def __init__(self):
        self.channels, self.pids = {}, {}
        called('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def order(self, name, verb, words):
        if name == 'me':
            return attempt(self, verb, words)
        channel = self.channels[name]
        try:
            channel.sendall(' '.join([verb, *words]).encode())
            data, passed, _, _ = socket.recv_fds(channel, 65536, 1)
        except ConnectionError:
            data, passed = b'', []
        return data.decode() or 'ok', socket.socket(fileno=passed[0]) if passed else None

    def enter(self, name, uid, gid, *gifts):
        """A new actor, of that user: with `capable` it has root's capabilities, with `keep` it may, with `saved=UID` a way to be that user."""
        return self.cast(name, *self.fork(), *['become', uid, gid, *gifts])

    def child(self, parent, name):
        return self.cast(name, *self.order(parent, 'fork', []))

    def cast(self, name, pid, channel, *first):
        self.channels[name], self.pids[name] = channel, int(pid)
        if first:
            answer, _ = self.order(name, first[0], first[1:])
            return pid if answer == 'ok' else answer
        return pid

    def hand(self, giver, taker):
        answer, connection = self.order(giver, 'give', [])
        socket.send_fds(self.channels[taker], [b'take'], [connection.fileno()])
        connection.close()
        return socket.recv_fds(self.channels[taker], 64, 1)[0].decode()

    def kill(self, name):
        self.channels.pop(name).close()
        pid = self.pids.pop(name)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def reuse(self, name, newcomer, uid, gid, *program):
        """It dies, and another gets its pid: answers which pid the other got."""
        wanted = self.pids[name]
        self.kill(name)
        for _ in range(5):
            with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
                last.write(str(wanted - 1))
            got = self.enter(newcomer, uid, gid)
            if int(got) == wanted:
                break
            self.kill(newcomer)
        else:
            return got
        if program:
            self.order(newcomer, 'exec', list(program))
        return got

    def end(self):
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)  # All before the first is waited for: a debugger's prisoner is its to bury.
        for name in list(self.pids):
            self.kill(name)
        if self.socket is not None:
            self.leave()


# What a masquerading program does, which is this program's interpreter and nothing else.
script = f"""
{inspect.getsource(over)}
import re, socket, sys
one = socket.socket(socket.AF_UNIX); one.settimeout(10); one.connect(sys.argv[1]); one.sendall(bytes.fromhex(sys.argv[2]))
seen, ids = b'', set()
while not ids:
    try: got = one.recv(65536)
    except OSError: got = b''
    seen += got
    ids = set(re.findall({spiffe_id.pattern!r}, seen, re.S))
    if got == b'' or over(seen): break
print('ended', *sorted(name.decode() for name in ids))
"""


director = Director()
for line in sys.stdin:
    name, verb, *words = line.split()
    print(director.order(name, verb, words)[0].replace('\n', ' '), flush=True)
director.end()
