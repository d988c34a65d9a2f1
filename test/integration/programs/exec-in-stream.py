# Opens a stream, hears its first message, leaves the connection to a child and becomes another program. The child prints
# how many IDs it heard, "first" when the first has come and "closed" or "more" for what comes afterwards.
import os, socket, sys

path, request = sys.argv[1], bytes.fromhex(sys.argv[2])
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
connection.sendall(request)
heard = b''
while b'spiffe://' not in heard:
    heard += connection.recv(65536)
ready, go = os.pipe()
if os.fork() == 0:
    os.close(go)
    os.read(ready, 1)
    print('first', flush=True)
    later = b''
    while True:
        more = connection.recv(65536)
        later += more
        if b'spiffe://' in later:
            print('more', flush=True)
            break
        if not more:
            print('closed', flush=True)
            break
    os._exit(0)
# Closed by exec: the child goes on when the other program runs.
os.set_inheritable(connection.fileno(), True)
os.execv('/bin/sleep', ['sleep', '60'])
