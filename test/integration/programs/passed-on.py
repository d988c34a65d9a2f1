# A connection that changes hands before a word was said on it: user FIRST connects, user SECOND speaks. How it is handed
# over: `send` (SCM_RIGHTS, to a process that was there before) or `inherit` (to a child that becomes another user). FIRST
# lives on. Prints what SECOND was sent: "closed", or "answered" and how many bytes.
import os, socket, sys

path, request, how, first, second = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def speak(connection):
    connection.settimeout(10)
    try:
        connection.sendall(request)
        heard = b''
        while True:
            more = connection.recv(65536)
            if not more:
                break
            heard += more
            if b'spiffe://' in heard:
                print('answered', len(heard), flush=True)
                os._exit(0)
        print('closed', flush=True)
    except (ConnectionError, BrokenPipeError):
        print('closed', flush=True)
    except TimeoutError:
        print('silent', flush=True)
    os._exit(0)


ours, theirs = socket.socketpair()
if how == 'send':
    if os.fork() == 0:
        ours.close()
        become(second)
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        speak(socket.socket(fileno=descriptors[0]))
    become(first)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(ours, [b'x'], [connection.fileno()])
else:
    # Only root can become another: FIRST is root's child and SECOND its sibling, over a connection that root never held.
    if os.fork() == 0:
        os.setresuid(first, first, 0)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        if os.fork() == 0:
            os.seteuid(0)
            become(second)
            speak(connection)
        os.wait()
        os._exit(0)
os.wait()
