# Asks for X509-SVIDs in a way that is told by its third word, and prints the first ID that it hears, or "refused".
import ctypes, os, signal, socket, sys, threading, time

path, request, way = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3]


def connected():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def talk(connection=None, words=request):
    heard = b''
    try:
        connection = connection or connected()
        connection.settimeout(10)
        connection.sendall(words)
        while b'spiffe://' not in heard:
            more = connection.recv(65536)
            if not more:
                break
            heard += more
    except ConnectionError:
        pass
    at = heard.find(b'spiffe://')
    os.write(1, (heard[at:].split(b'\x12')[0] if at >= 0 else b'refused') + b'\n')


if way == 'plain':
    talk()
elif way == 'without-a-first-thread':
    threading.Thread(target=lambda: (time.sleep(0.3), talk())).start()
    ctypes.CDLL(None).pthread_exit(None)
elif way == 'deleted':
    while os.path.exists(sys.executable):
        time.sleep(0.01)
    talk()
elif way == 'in-memory':
    memory = os.memfd_create('nowhere', 0)
    with open('/usr/bin/python3', 'rb') as program:
        os.write(memory, program.read())
    words = open('/proc/self/cmdline', 'rb').read().split(b'\0')[1:-1]
    words[-1] = b'plain'
    os.execve(memory, [b'python3', *words], {})
elif way == 'orphan':
    if os.fork() == 0:
        time.sleep(0.3)
        talk()
elif way == 'by-its-child':
    connection = connected()
    if os.fork() == 0:
        talk(connection)
        os._exit(0)
    os.wait()
elif way == 'stopped-midway':
    connection = connected()
    connection.sendall(request[:30])
    if os.fork() == 0:
        time.sleep(0.5)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    talk(connection, request[30:])
